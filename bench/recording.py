"""What an application really sends to PostgreSQL: taken down as it happens, so that a floor cannot drift from it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg
from msgspec import Struct
from psycopg.pq import TransactionStatus
from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry

from core.app import Application

Row = tuple[Any, ...]


class Statement(Struct):
    """One statement with its parameters, and which of them are made anew at each repetition."""

    query: str
    params: Any
    in_transaction: bool
    places: list[Any]
    """The parameters that hold plain values: their names or positions."""
    fresh: dict[Any, str] = {}
    within: dict[Any, dict[str, str]] = {}
    """Texts that such ids are part of, and the ids with their names."""

    def mark(self, names: Mapping[Any, str]) -> None:
        """Remember where one of these values stands, under its name."""
        self.fresh = {place: names[self.params[place]] for place in self.places if self.params[place] in names}
        ids = {value: name for value, name in names.items() if isinstance(value, str)}
        for place in self.places:
            text = self.params[place]
            if isinstance(text, str) and place not in self.fresh:
                self.within[place] = {id: name for id, name in ids.items() if id in text}

    def bound(self, values: Mapping[str, Any]) -> Any:
        """Return the parameters of a repetition."""
        params = self.params.copy()
        for place, name in self.fresh.items():
            params[place] = values[name]
        for place, ids in self.within.items():
            for id, name in ids.items():
                params[place] = params[place].replace(id, values[name])
        return params


class Recorder:
    """Takes down the statements of all connections that the application opens from now on, while `listening`."""

    def __init__(self, application: Application) -> None:
        self.statements: list[Statement] = []
        self.listening = False
        recorder = self

        class Cursor(psycopg.AsyncCursor[Row]):
            async def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
                idle = self.connection.info.transaction_status == TransactionStatus.IDLE
                recorder.add(query, params, in_transaction=not (idle and self.connection.autocommit))
                return await super().execute(query, params, **options)

        @event.listens_for(application.database.sync_engine, "connect")
        def attach(connection: Any, _entry: ConnectionPoolEntry) -> None:
            connection.driver_connection.cursor_factory = Cursor

    def add(self, query: Any, params: Mapping[str, Any] | Sequence[Any] | None, *, in_transaction: bool) -> None:
        """Take down one statement; what begins and ends transactions is left to whoever repeats them."""
        query = query.decode() if isinstance(query, bytes) else str(query)
        if query.lstrip().upper().startswith("BEGIN"):
            in_transaction, query = True, query.partition(";")[2]
        if self.listening and query.strip(" ;").upper() not in ("", "COMMIT", "ROLLBACK"):
            named = isinstance(params, Mapping)
            copied: Any = dict(params) if named else list(params or ())
            places = [place for place, value in (copied.items() if named else enumerate(copied)) if _is_plain(value)]
            self.statements.append(Statement(query, copied, in_transaction, places))

    def find(self, text: str) -> Statement:
        """Return the first statement that has this text in it; `LookupError` if none has."""
        for statement in self.statements:
            if text in statement.query:
                return statement
        raise LookupError(f"nothing like {text!r} was sent: the benchmark has to learn a new way")


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | datetime)
