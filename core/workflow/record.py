"""What is known of one run: its row as far as stored, its journal as far as written, and what waits to be."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ..container import Container
from ..db import Session, Transaction, connection_lost
from ..errors import HoldfastError, InvalidData, OutcomeUnknown
from ..ids import new_id
from .codec import ErrorData, decode, encode, error_data, hash_of, restore_error
from .definition import Definition
from .errors import CommitFailed, UnstorableResult, WorkflowFailed
from .journal import FAILURE_PATH, Change, Entry, RunRow, Undo, advance_run, insert_run, path_order, read_entries


class Record:
    """The journal of one run: entries are recorded when durable, pending until the next flush."""

    def __init__(
        self,
        container: Container,
        definition: Definition[Any, Any],
        data: object,
        *,
        key: str | None,
        context: Mapping[str, str],
        owner: str,
    ) -> None:
        self.container = container
        self.definition = definition
        self.key = key
        self.context = context
        self.owner = owner
        self.run_id = new_id("run")
        self.input = encode(data, f"the input of {definition.id}")
        self.input_hash = hash_of(self.input)
        self.created_at: datetime = container.clock.now()
        self.epoch = 0
        self.status: str | None = None
        """What the stored row says; None while there is no row."""
        self.recorded: dict[str, Entry] = {}
        self.pending: list[Entry] = []

    def argument(self) -> Any:
        """Return the argument of the body, a fresh copy at each call; `InvalidData` if it has another type."""
        kind, _ = self.definition.types
        try:
            return decode(self.input, kind, f"the input of workflow {self.definition.id}")
        except UnstorableResult as error:
            raise InvalidData(error.detail) from error

    @property
    def stored(self) -> bool:
        """Whether the run has a row."""
        return self.status is not None

    @property
    def kept(self) -> bool:
        """Whether the finished run is to be kept at all."""
        return self.key is not None or self.definition.retention > timedelta(0)

    def owed(self) -> list[Undo]:
        """Return the compensations of the steps done so far, latest path first."""
        entries = [*self.recorded.values(), *self.pending]
        undos = [entry.undo for entry in entries if entry.undo is not None]
        return sorted(undos, key=lambda undo: path_order(undo.path), reverse=True)

    def running(self) -> Change:
        """Return the change of a flush after which the run goes on."""
        return Change(status="running", owner=self.owner, key=self.key)

    def compensating(self) -> Change:
        """Return the change of a flush after which compensations are owed."""
        return Change(status="compensating", owner=self.owner, key=self.key)

    def failed(self, status: str, error: ErrorData) -> Change:
        """Return the change of the last flush of a run that failed; the key goes if the error is not remembered."""
        change = self.ended(status, error=msgspec.json.encode(error))
        if not restore_error(error).remembered:
            change.key = None
        return change

    async def park(self, error: HoldfastError) -> None:
        """Move the run to `nondeterministic`, keeping `error` to be shown; raises `CommitFailed`, `Fenced`."""
        data = error_data(error, "the divergence")
        self.pending = []
        await self.commit(
            await self.begin_flush(), Change(status="nondeterministic", error=msgspec.json.encode(data), key=self.key)
        )

    def stored_failure(self) -> HoldfastError:
        """Return the error that ended the body, from the journal of a run that is being compensated."""
        error = self.recorded[FAILURE_PATH].error
        return WorkflowFailed(f"run {self.run_id} failed") if error is None else restore_error(error)

    def ended(self, status: str, *, result: bytes | None = None, error: bytes | None = None) -> Change:
        """Return the change of the run's last flush."""
        now = self.container.clock.now()
        kept_for = self.definition.kept_for(keyed=self.key is not None)
        return Change(
            status=status, result=result, error=error, key=self.key, finished_at=now, expires_at=now + kept_for
        )

    async def begin_flush(self) -> Transaction:
        """Open a transaction for a flush of its own; raises `CommitFailed` when the database is away."""
        try:
            return await Transaction.begin(self.container.engine)
        except Exception as error:
            raise CommitFailed(error) from error

    async def commit(self, transaction: Transaction, change: Change) -> None:
        """Flush all pending entries and `change` as the last statement of `transaction`, and commit.

        Raises `CommitFailed`, or `Fenced`; the transaction is over either way.
        """
        try:
            await self._flush(transaction, change)
            await transaction.commit()
        except Exception as error:
            await transaction.rollback()
            raise CommitFailed(error) from error
        except BaseException:
            await transaction.rollback()
            raise
        self.recorded.update({entry.path: entry for entry in self.pending})
        self.pending = []
        self.status = change.status

    async def commit_bare(self, transaction: Transaction) -> None:
        """Commit a run that is not kept: it writes no row at all, so a lost connection is an `OutcomeUnknown`."""
        try:
            await transaction.commit()
        except Exception as error:
            if connection_lost(error):
                raise OutcomeUnknown from error
            raise CommitFailed(error) from error

    async def _flush(self, transaction: Transaction, change: Change) -> None:
        if self.status is not None:
            await advance_run(transaction, self.run_id, self.epoch, self.status, change, self.pending)
            return
        fixed = {
            "id": self.run_id,
            "workflow": self.definition.id,
            "version": self.definition.version,
            "input_hash": self.input_hash,
            "input": self.input.decode(),
            "context": msgspec.json.encode(self.context).decode(),
            "created_at": self.created_at,
        }
        await insert_run(transaction, fixed, change, self.pending)

    async def adopt(self, session: Session, row: RunRow | None) -> None:
        """Take over what the database knows of this run, dropping what had not become durable."""
        self.pending = []
        self.recorded = {} if row is None else await read_entries(session, row)
        self.status = None if row is None else row.status
