"""Link tables in the database: `holdfast migrate` brings them to what the links say."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
import psycopg
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import DBAPIError

from ..errors import ConfigurationError
from .failure import driver_error
from .link_changes import (
    Change,
    Definitions,
    LinkDefinition,
    additions,
    after_additions,
    after_losses,
    losses,
)

STORED = "SELECT table_name, definition FROM link_definition"
REFUSED = (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError)


class LinkTables:
    """The tables of some links; every change of them is one transaction on a connection that has none open."""

    def __init__(self, tables: Iterable[Table[Any]]) -> None:
        self._wanted = {table.name: table for table in tables}

    @property
    def tables(self) -> Sequence[Table[Any]]:
        """The tables as the links say."""
        return list(self._wanted.values())

    def losses(self, stored: Definitions) -> list[Change]:
        """Return the changes that have to be allowed."""
        return [change for name, each in stored.items() for change in losses(name, each, self._wanted.get(name))]

    def missing(self, stored: Definitions) -> list[Change]:
        """Return the changes that this code waits for, those that have to be allowed among them."""
        vital = [change for change in self.losses(stored) if change.vital]
        return vital + [change for name, table in self._wanted.items() for change in additions(stored.get(name), table)]

    def lose(self, connection: Connection) -> list[Change]:
        """Drop and alter what is no longer defined so."""
        with connection.begin():
            stored = stored_definitions(connection)
            changes = self.losses(stored)
            _apply(connection, changes)
            for name, each in stored.items():
                _store(connection, name, each, after_losses(each, self._wanted.get(name)))
        return changes

    def add(self, connection: Connection) -> list[Change]:
        """Make what is missing."""
        with connection.begin():
            stored = stored_definitions(connection)
            changes = [change for name, table in self._wanted.items() for change in additions(stored.get(name), table)]
            _apply(connection, changes)
            for name, table in self._wanted.items():
                _store(connection, name, stored.get(name), after_additions(stored.get(name), table))
        return changes


def stored_definitions(connection: Connection) -> Definitions:
    """Return what the link tables are now; nothing where the core's migrations have not been applied."""
    if connection.scalar(text("SELECT to_regclass('link_definition')")) is None:
        return {}
    return decode_definitions([(row[0], row[1]) for row in connection.execute(text(STORED))])


def decode_definitions(rows: Iterable[tuple[str, Any]]) -> Definitions:
    """Return the rows of `link_definition`."""
    return {name: msgspec.convert(definition, LinkDefinition) for name, definition in rows}


def drop_link_tables(connection: Connection, references: Collection[str] | None) -> list[str]:
    """Drop the link tables that refer to one of these tables, None for all; return their names."""
    with connection.begin():
        stored = stored_definitions(connection)
        names = [name for name, each in stored.items() if references is None or _refers(each, references)]
        for name in names:
            _operations(connection).drop_table(name)
            _store(connection, name, stored[name], None)
    return names


def _refers(definition: LinkDefinition, tables: Collection[str]) -> bool:
    return any(table in tables for table in definition.references.values())


def _apply(connection: Connection, changes: Iterable[Change]) -> None:
    for change in changes:
        try:
            change.apply(_operations(connection))
        except DBAPIError as error:
            cause = driver_error(error)
            if isinstance(cause, REFUSED):
                said = ": ".join(filter(None, [cause.diag.message_primary, cause.diag.message_detail]))
                raise ConfigurationError(f"cannot {change}: {said}") from error
            raise


def _operations(connection: Connection) -> Operations:
    return Operations(MigrationContext.configure(connection))


def _store(connection: Connection, name: str, old: LinkDefinition | None, new: LinkDefinition | None) -> None:
    if new == old:
        return
    connection.execute(text("DELETE FROM link_definition WHERE table_name = :name"), {"name": name})
    if new is not None:
        row = {"name": name, "definition": msgspec.json.encode(new).decode()}
        connection.execute(
            text("INSERT INTO link_definition (table_name, definition) VALUES (:name, CAST(:definition AS jsonb))"), row
        )
