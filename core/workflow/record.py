"""The journal of one run at work: what is pending is flushed, in one statement before COMMIT, and recorded then."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import structs

from ..db import Session, Transaction, connection_lost
from ..errors import HoldfastError, OutcomeUnknown
from .codec import ErrorData, error_data
from .errors import (
    CommitFailed,
    Decided,
    Fenced,
    RunCancelled,
    WorkflowFailed,
)
from .failpoint import failpoint
from .journal import (
    FAILURE_PATH,
    Change,
    Emitted,
    Entry,
    Release,
    RunRow,
    advance_run,
    enqueue_run,
    entries_of,
    find_by_key,
    insert_run,
    read_later,
    undo_path,
)
from .log import write
from .state import State
from .telemetry import tell

_NAMES = {"undo-attempt": "undo-attempt", "undo": "undo", "failure": "failure", "wait": "signal", "begun": "begin"}
"""What the failpoints of a flush are called that carries an entry of such a kind, the first that does."""


class Record(State):
    """The journal of one run: entries are recorded when durable, pending until the next flush."""

    async def park(self, error: HoldfastError) -> None:
        """Move the run to `nondeterministic`, keeping `error` to be shown; raises `CommitFailed`, `Fenced`.

        One that is being undone ends `compensation_failed`.
        """
        data = error_data(error, "the divergence")
        self.pending = []
        parked = Change(status="nondeterministic", error=msgspec.json.encode(data), key=self.key)
        await self.commit(await self.begin_flush(), self.not_undone() if self.status == "compensating" else parked)

    async def give_up(self, transaction: Transaction, row: RunRow) -> None:
        """Have what the run did undone, by whoever takes it up, because of the error that it is parked with."""
        given_up = WorkflowFailed(f"run {self.run_id} was given up while it was {row.status}")
        error = error_data(given_up, "") if row.error is None else msgspec.json.decode(row.error, type=ErrorData)
        failure = self.failure(self.entry(FAILURE_PATH, self.definition.id, "failure"), error, self.owed())
        await self._flush(transaction, self.compensating(self.container.clock.now()), [failure])

    async def give_up_undos(self, transaction: Transaction, failed: list[Entry]) -> None:
        """Journal undos that are not to be tried; whoever takes the run up does the others, and ends it."""
        now = self.container.clock.now()
        entries = [structs.replace(entry, ended_at=now) for entry in failed]
        await self._flush(transaction, self.compensating(now), entries)

    async def begin_flush(self) -> Transaction:
        """Open a transaction for a flush of its own; raises `CommitFailed` when the database is away."""
        try:
            return await Transaction.begin(self.container.engine)
        except Exception as error:
            raise CommitFailed(error) from error

    async def commit(self, transaction: Transaction, change: Change, own: Iterable[Entry] = ()) -> None:
        """Flush all pending entries, the transaction's `own` and `change` as its last statement, and commit.

        Raises `CommitFailed`, or `Fenced`; the transaction is over either way.
        """
        try:
            async with self._turn:
                await self._commit(transaction, change, own)
        except Exception as error:
            await transaction.rollback()
            raise CommitFailed(error) from error
        except BaseException:
            await transaction.rollback()
            raise
        self.write_log()

    async def _commit(self, transaction: Transaction, change: Change, own: Iterable[Entry]) -> None:
        batch = len(self.pending)
        entries = [*self.pending, *own]
        what = _what_it_is(change, entries)
        failpoint(f"before-{what}-flush")
        entries, released = self._released(change, entries)
        await self._flush(transaction, change, entries, released)
        failpoint(f"before-{what}-commit")
        await transaction.commit()
        failpoint(f"after-{what}-commit")
        self.recorded.update({entry.path: entry for entry in entries})
        del self.pending[:batch]
        self.status, self.cancelled = self._moved_to
        self.tell(self.status, entries, change.error)

    def _released(self, change: Change, entries: list[Entry]) -> tuple[list[Entry], Release | None]:
        """Return the entries without the events that go out with this flush, and those."""
        released = {entry.path: at_once for entry in entries if (at_once := [e for e in entry.events if e.at_once])}
        if released:
            entries = [
                structs.replace(entry, events=[each for each in entry.events if not each.at_once]) for entry in entries
            ]
        if change.status == "done":
            kept = {**self.recorded, **{entry.path: entry for entry in entries}}
            released |= {path: [*released.get(path, []), *events] for path, events in _standing(kept).items()}
        if not released or self.outbox is None:
            return entries, None
        return entries, self.outbox.release(self.context, self.run_id, released)

    def tell(self, status: str, entries: Iterable[Entry], error: bytes | None = None) -> None:
        """Count what is certain now."""
        seconds = (self.container.clock.now() - self.created_at).total_seconds()
        tell(self.definition.id, self.run_id, entries, status, seconds, error)

    def write_log(self, *, everything: bool = False) -> None:
        """Pass on what bodies have logged before calls that are durable now."""
        ready = [(path, lines) for path, lines in self.lines if everything or path in self.recorded]
        for said in ready:
            self.lines.remove(said)
            write(said[1], run_id=self.run_id, workflow=self.definition.id)

    async def check_key(self, session: Session) -> None:
        """Before the first call takes effect: raise `Decided` if another run owns our key."""
        if not self.key_checked:
            await self.look_key_up(session)
            self.key_checked = True

    async def look_key_up(self, session: Session) -> None:
        """Raise `Decided` if we have no row and another run owns our key."""
        if self.key is None or self.stored:
            return
        run_id = await find_by_key(session, self.definition.id, self.key)
        if run_id == self.run_id:
            raise Fenced
        if run_id is not None:
            raise Decided(run_id)

    async def commit_bare(self, transaction: Transaction) -> None:
        """Commit a run that is not kept: it writes no row at all, so a lost connection is an `OutcomeUnknown`."""
        try:
            await transaction.commit()
        except Exception as error:
            if connection_lost(error):
                raise OutcomeUnknown from error
            raise CommitFailed(error) from error

    async def _flush(
        self, transaction: Transaction, change: Change, entries: list[Entry], released: Release | None = None
    ) -> None:
        if self.status is not None:
            fixed = {"id": self.run_id, "epoch": self.epoch, "expected": self.status}
            self._moved_to = await advance_run(transaction, fixed, change, entries, released)
        else:
            await insert_run(transaction, self._fixed(), change, entries, released)
            self._moved_to = change.status, False
        if released is not None and self.outbox is not None:
            self.outbox.send(transaction, released)

    async def enqueue(self, transaction: Transaction) -> bool:
        """Leave the run to whoever takes it up once `transaction` has committed; False if another one has its key."""
        return await enqueue_run(transaction, {**self._fixed(), "key": self.key})

    def _fixed(self) -> dict[str, Any]:
        """Return what of the row never changes."""
        return {
            "id": self.run_id,
            "workflow": self.definition.id,
            "version": self.definition.version,
            "input_hash": self.input_hash,
            "input": self.input.decode(),
            "context": msgspec.json.encode(self.context).decode(),
            "created_at": self.created_at,
            "subject": self.subject,
            "deadline_at": self.deadline_at,
        }

    async def adopt(self, session: Session, row: RunRow | None) -> None:
        """Take over what the database knows of this run, dropping what had not become durable."""
        self.take_over(row, [] if row is None else (await read_later(session, [row.id]))[row.id])

    def take_over(self, row: RunRow | None, later: list[str]) -> None:
        """Take over what was read of this run: its row, and what the later flushes have added."""
        self.pending = []
        self.key_checked = self.key is None or row is not None
        self.recorded = {} if row is None else entries_of(row, later)
        self.write_log()
        self.lines = []
        self.status = None if row is None else row.status
        self.epoch = 0 if row is None else row.epoch
        self.cancelled = row is not None and row.cancel_requested


def _standing(entries: Mapping[str, Entry]) -> dict[str, list[Emitted]]:
    """Return the events of the steps that were not undone, by path."""
    undone = tuple(f"{entry.path}." for entry in entries.values() if entry.kind == "failure")
    return {
        path: entry.events
        for path, entry in entries.items()
        if entry.events and undo_path(path) not in entries and not path.startswith(undone)
    }


def _what_it_is(change: Change, entries: list[Entry]) -> str:
    """Return what a flush is for, as the names of failpoints have it."""
    if change.status in ("waiting", "nondeterministic"):
        return "waiting" if change.status == "waiting" else "park"
    if any(entry.error is not None and entry.error.code == RunCancelled.code for entry in entries):
        return "cancel"
    kinds = {entry.kind for entry in entries}
    return next((name for kind, name in _NAMES.items() if kind in kinds), "step" if not change.finished_at else "end")
