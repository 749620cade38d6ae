"""The state of one run: what it is, what its journal has, and what the next flush would say of it."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import structs

from ..container import Container
from ..errors import HoldfastError, InvalidData
from .call import Line
from .codec import ErrorData, decode, error_data, hash_of, restore_error
from .definition import Definition
from .errors import RunCancelled, RunTimedOut, UnstorableResult, WorkflowFailed
from .journal import FAILURE_PATH, Change, Entry, Undo, path_order, undo_path
from .outbox import Outbox

ANSWER_KEPT = timedelta(minutes=1)
"""Whoever waits for the end of a run without retention still finds its answer."""
_HALTS = (RunCancelled.code, RunTimedOut.code)


class State:
    """What is known of a run without asking the database."""

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
        """The person whom the run is about."""
        self.run_id = run_id
        self.input = given
        self.input_hash = hash_of(given)
        self._begin_at(created_at)
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
        limits = container.config.database
        # Branches that wait for a connection of which there are not so many would give up after the pool's time-out.
        self.connections = asyncio.Semaphore(limits.pool_size + limits.pool_overflow)
        # Lanes take turns: what one of them has journaled is durable before another one builds on it.
        self._turn = asyncio.Lock()

    def _begin_at(self, instant: datetime) -> None:
        self.created_at = instant
        timeout = self.definition.timeout
        self.deadline_at = None if timeout is None else instant + timeout

    def begin_now(self) -> None:
        """Let the run's time begin: it has waited for another one, and has done nothing yet."""
        self._begin_at(self.container.clock.now())

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
        # That of a delivery is how its event knows it, and nobody asks with it for another answer.
        if not restore_error(error).remembered and not self.definition.is_delivery:
            change.key = None
        return change

    def not_undone(self) -> Change:
        """Return the change of the last flush of a run that can be undone no further."""
        change = self.failed(error_data(self.stored_failure(), "the error of a run that is being undone"))
        change.status = "compensation_failed"
        return change

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
