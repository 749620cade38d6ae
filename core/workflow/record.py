"""What is known of one run: its row as far as stored, its journal as far as written, and what waits to be."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import structs

from ..container import Container
from ..db import Session, Transaction, connection_lost
from ..errors import HoldfastError, InvalidData, OutcomeUnknown
from .call import Line
from .codec import ErrorData, decode, error_data, hash_of, restore_error
from .definition import Definition
from .errors import (
    CommitFailed,
    Decided,
    Fenced,
    RunCancelled,
    RunTimedOut,
    UnstorableResult,
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
    Undo,
    advance_run,
    enqueue_run,
    entries_of,
    find_by_key,
    insert_run,
    path_order,
    read_later,
    undo_path,
)
from .log import write
from .outbox import Outbox
from .telemetry import tell

_NAMES = {"undo-attempt": "undo-attempt", "undo": "undo", "failure": "failure", "wait": "signal", "begun": "begin"}
"""What the failpoints of a flush are called that carries an entry of such a kind, the first that does."""

ANSWER_KEPT = timedelta(minutes=1)
"""Whoever waits for the end of a run without retention still finds its answer."""
_HALTS = (RunCancelled.code, RunTimedOut.code)


class Record:
    """The journal of one run: entries are recorded when durable, pending until the next flush."""

    def __init__(
        self,
        container: Container,
        definition: Definition[Any, Any],
        given: bytes,
        *,
        run_id: str,
        key: str | None,
        context: Mapping[str, str],
        created_at: datetime,
        owner: str,
    ) -> None:
        self.container = container
        self.definition = definition
        self.key = key
        self.context = context
        self.owner = owner
        self.outbox: Outbox | None = None
        """Where events go; None where no run is driven."""
        self.subject: str | None = None
        """The person whom the run is about, known where it is started alone."""
        self.run_id = run_id
        self.input = given
        self.input_hash = hash_of(given)
        self.created_at = created_at
        self.deadline_at = None if definition.timeout is None else created_at + definition.timeout
        self.cancelled = False
        """Whether somebody has asked, as far as the last flush saw, that the run be undone."""
        self.epoch = 0
        self.status: str | None = None
        """What the stored row says; None while there is no row."""
        self.recorded: dict[str, Entry] = {}
        self.pending: list[Entry] = []
        """Outcomes that no transaction carries yet: the next flush writes them, whatever it is for."""
        self.lines: list[tuple[str, list[Line]]] = []
        """What bodies have logged, each with the path of the next call: written when that is durable."""
        self.key_checked = key is None
        self._moved_to: tuple[str, bool] = ("", False)
        """Status and cancellation as the last flush left them, committed or not."""
        # Lanes take turns: what one of them has journaled is durable before another one builds on it.
        self._turn = asyncio.Lock()

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

    def emits(self, unwritten: Iterable[Entry]) -> bool:
        """Whether events are to go out when the run ends well."""
        return any(entry.events for entry in self.entries(unwritten).values())

    def entries(self, unwritten: Iterable[Entry] = ()) -> dict[str, Entry]:
        """Return what is known by path: recorded, pending, and `unwritten` of a transaction that is still open."""
        return {**self.recorded, **{entry.path: entry for entry in [*self.pending, *unwritten]}}

    def owed(self, prefix: str = "", unwritten: Iterable[Entry] = ()) -> list[Undo]:
        """Return the undos of what was done under `prefix` and not undone yet, latest path first.

        An external step that has begun and of whose outcome nothing is known counts as done.
        """
        entries = self.entries(unwritten)
        undos = [
            entry.undo
            for entry in entries.values()
            if entry.undo is not None
            and entry.undo.path.startswith(prefix)
            and undo_path(entry.undo.path) not in entries
            and (entry.kind != "begun" or entry.undo.path not in entries)
        ]
        return sorted(undos, key=lambda undo: path_order(undo.path), reverse=True)

    def reason_to_halt(self) -> HoldfastError | None:
        """Return why the run is to end although its body has not."""
        if self.cancelled:
            return RunCancelled(f"run {self.run_id} was cancelled", run_id=self.run_id)
        return self.timed_out() if self.seconds_left == 0 else None

    def timed_out(self) -> RunTimedOut:
        """Return the error of a run that is past its deadline."""
        return RunTimedOut(f"run {self.run_id} did not end by {self.deadline_at}", run_id=self.run_id)

    def is_halted_by(self, error: HoldfastError | ErrorData) -> bool:
        """Tell whether `error` says that this run, and not one that it asked, is cancelled or past its deadline."""
        return error.code in _HALTS and error.data.get("run_id") == self.run_id

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the deadline, 0 when it has passed, None if there is none."""
        if self.deadline_at is None:
            return None
        return max(0.0, (self.deadline_at - self.container.clock.now()).total_seconds())

    def running(self) -> Change:
        """Return the change of a flush after which the run goes on."""
        return Change(status="running", owner=self.owner, key=self.key)

    def waiting(self, due_at: datetime | None) -> Change:
        """Return the change of a flush after which nobody drives the run until it is due, at its deadline at last."""
        ends = [at for at in (due_at, self.deadline_at) if at is not None]
        return Change(status="waiting", due_at=min(ends, default=None), key=self.key)

    def compensating(self, due_at: datetime | None = None) -> Change:
        """Return the change of a flush after which compensations are owed, by nobody until `due_at` if that is set."""
        owner = self.owner if due_at is None else None
        return Change(status="compensating", owner=owner, due_at=due_at, key=self.key)

    def failed(self, error: ErrorData, unwritten: Iterable[Entry] = ()) -> Change:
        """Return the change of the last flush of a run that failed; the key goes if the error is not remembered."""
        undos = [entry for entry in self.entries(unwritten).values() if entry.kind == "undo"]
        undone = all(undo.error is None for undo in undos)
        status = "failed" if not undos else "compensated" if undone else "compensation_failed"
        if undone and error.code == RunCancelled.code and self.is_halted_by(error):
            status = "cancelled"
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

    async def give_up(self, transaction: Transaction, row: RunRow) -> None:
        """Have what the run did undone, by whoever takes it up, because of the error that it is parked with."""
        given_up = WorkflowFailed(f"run {self.run_id} was given up while it was {row.status}")
        error = error_data(given_up, "") if row.error is None else msgspec.json.decode(row.error, type=ErrorData)
        failure = self.failure(self.entry(FAILURE_PATH, self.definition.id, "failure"), error, self.owed())
        await self._flush(transaction, self.compensating(self.container.clock.now()), [failure])

    def stored_failure(self) -> HoldfastError:
        """Return the error that ended the body, from the journal of a run that is being compensated."""
        error = self.recorded[FAILURE_PATH].error
        return WorkflowFailed(f"run {self.run_id} failed") if error is None else restore_error(error)

    def ended(self, status: str, *, result: bytes | None = None, error: bytes | None = None) -> Change:
        """Return the change of the run's last flush."""
        now = self.container.clock.now()
        kept_for = max(self.definition.kept_for(keyed=self.key is not None), ANSWER_KEPT)
        return Change(
            status=status, result=result, error=error, key=self.key, finished_at=now, expires_at=now + kept_for
        )

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

    def entry(self, path: str, step: str, kind: str, given: bytes = b"") -> Entry:
        """Return an entry without an outcome."""
        return Entry(
            path=path,
            step=step,
            kind=kind,
            input_hash=hash_of(given).hex() if given else "",
            ended_at=self.created_at,
            duration_ms=0,
        )

    def failure(self, entry: Entry, error: ErrorData, owed: list[Undo]) -> Entry:
        """Return the entry of a body that ended with `error` and owes these undos."""
        return structs.replace(entry, kind="failure", error=error, undos=owed, ended_at=self.container.clock.now())

    def timed(self, entry: Entry, started: float) -> Entry:
        """Return `entry` as ended now; `started` is a reading of `perf_counter`."""
        took = (time.perf_counter() - started) * 1000
        return structs.replace(entry, ended_at=self.container.clock.now(), duration_ms=round(took, 3))

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
