"""From a call to its answer: passes through the body until one holds, compensation, and the answers of others."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import structlog

from ..db import Session, as_busy, is_transient
from ..errors import Busy, HoldfastError, OutcomeUnknown
from .codec import ErrorData, canonical, decode, describe_error, restore_error
from .compensation import Steps, compensate, unknown_undos
from .definition import Definition
from .errors import (
    CommitFailed,
    Decided,
    Dropped,
    Fenced,
    IdempotencyMismatch,
    Parked,
    PoisonRun,
    RunInProgress,
    Suspended,
    WorkflowFailed,
)
from .execution import Execution
from .journal import RunRow, find_by_id, find_by_key
from .record import Record
from .recovery import Claimed
from .telemetry import tell_recovery

T = TypeVar("T")

log = structlog.get_logger("holdfast.workflow")

REPLAYS = 5
"""Passes after a commit that failed by connection loss, a lock or time limit, serialization failure or deadlock; one
for anything else."""
FIRST_POLL, LAST_POLL = 0.05, 1.0
"""Seconds between looks at a row that another execution owns; doubling."""


class UndoUnknown(Exception):
    """A run that was taken over owes undos of steps that this process does not know."""


class Answer(msgspec.Struct, frozen=True):
    """What a call gets: the decoded result or the run's error; whether an earlier run with the key produced it.

    Or nothing yet: the run is `suspended`, and due at `due_at` if it does not wait for a signal alone.
    """

    value: Any = None
    error: HoldfastError | None = None
    replayed: bool = False
    suspended: bool = False
    due_at: datetime | None = None


class Runner:
    """Brings one run to its end; holds at most one connection, and none while it waits."""

    def __init__(
        self,
        record: Record,
        *,
        patience: float,
        steps: Steps | None = None,
        take_up: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self.awaits = record.run_id
        """The run whose end answers this call: its own, or that of another one with its key."""
        self._record = record
        self._session = Session(record.container.engine)
        self._deadline = asyncio.get_running_loop().time() + patience
        self._steps: Steps = {} if steps is None else steps
        self._take_up = take_up
        """Sees to it that a run is driven which this one waits for, if nobody drives it."""
        self._failures = 0
        """How many passes ended with a commit that failed."""
        self._failure: CommitFailed | Fenced | None = None
        self._poison: PoisonRun | None = None
        """Why the run is not to be driven at all."""

    async def resume(self, claimed: Claimed) -> Answer:
        """Take a claimed run from where its journal ends to its own end; see `run`; raises `UndoUnknown` too."""
        row = claimed.row
        lease = self._record.container.config.engine.lease_seconds
        if time.monotonic() - claimed.at > lease / 2 and not await self._patiently(lambda: self._is_ours(row)):
            return Answer()
        self._record.take_over(row, claimed.later)
        unknown = sorted({undo.step for undo in unknown_undos(self._record, self._steps)})
        if unknown:
            raise UndoUnknown(f"run {row.id} owes undos of steps that are not known here: {', '.join(unknown)}")
        tell_recovery(self._record.definition.id, row.id, row.epoch, taken_over=claimed.taken_over)
        if claimed.deaths >= self._record.container.config.engine.poison_deaths:
            log.error("poison_run", run_id=row.id, deaths=claimed.deaths)
            self._poison = PoisonRun(f"{claimed.deaths} processes have died while they drove run {row.id}")
        return await self.run()

    async def _is_ours(self, claimed: RunRow) -> bool:
        """Tell whether a claim still holds that waited long for its turn."""
        row = await find_by_id(self._session, claimed.id)
        return row is not None and not row.ended and row.epoch == claimed.epoch

    async def run(self) -> Answer:
        """Return the answer; raises `IdempotencyMismatch`, `RunInProgress`, `Busy`, `OutcomeUnknown`."""
        try:
            while True:
                answer = await self._pass()
                if answer is not None:
                    return answer
        except (RunInProgress, OutcomeUnknown):
            raise
        except Exception as error:
            # What has a row goes on by itself, in this process or another one: nothing is decided yet.
            if self._record.stored:
                what = f"run {self._record.run_id} was interrupted and will be taken up again: {error}"
                raise RunInProgress(what, run_id=self._record.run_id) from error
            busy = None if isinstance(error, HoldfastError) else as_busy(error)
            if busy is None:
                raise
            raise busy from error

    async def _pass(self) -> Answer | None:
        """Go once through the body, or mend what the last pass left; None means that another pass is needed."""
        try:
            if self._failure is not None:
                return await self._recover(self._failure)
            return await (self._drive() if self._poison is None else self._park(self._poison))
        except Dropped:
            # As after a crash: of what this process knew of the run, only that is left which the database has.
            self._failure = Fenced()
            return None
        except (CommitFailed, Fenced) as failure:
            self._failure = failure
            self._failures += 1
            return None

    async def _drive(self) -> Answer | None:
        if self._record.status == "compensating":
            return await self._settle(self._record.stored_failure())
        try:
            outcome = await Execution(self._record, self._steps, eager=self._failures > 0).drive()
        except Decided as decided:
            return await self._answer_of(decided.run_id)
        except Parked as parked:
            return await self._park(parked.error)
        if isinstance(outcome, Suspended):
            return Answer(suspended=True, due_at=outcome.due_at)
        if isinstance(outcome, HoldfastError):
            return await self._settle(outcome)
        return None if outcome is None else Answer(outcome.value)

    async def park(self, error: HoldfastError) -> None:
        """Park a run that cannot be driven; not if it is not as this process knew it."""
        with suppress(CommitFailed, Fenced):
            await self._park(error)

    async def _park(self, error: HoldfastError) -> Answer:
        await self._record.park(error)
        return Answer(error=error)

    async def _settle(self, error: HoldfastError) -> Answer:
        """Run the compensations that are owed, if any."""
        record = self._record
        if record.status == "compensating":
            try:
                await compensate(record, self._steps)
            except Suspended as suspended:
                await record.commit(await record.begin_flush(), record.compensating(suspended.due_at))
                return Answer(suspended=True, due_at=suspended.due_at)
        return Answer(error=error)

    async def _recover(self, failure: CommitFailed | Fenced) -> Answer | None:
        """After a failed commit the row decides: ours may have landed, or another run's may own our key."""
        record = self._record
        row = await self._patiently(lambda: find_by_id(self._session, record.run_id))
        key = record.key
        if row is None and key is not None:
            winner = await self._patiently(lambda: find_by_key(self._session, record.definition.id, key))
            if winner is not None:
                self._failure = None
                return await self._answer_of(winner)
        if row is not None and row.ended:
            return self._outcome(row)
        if row is None and record.stored:
            raise self._gone(record.run_id)
        # Another process has taken the run over: two must not drive it.
        if row is not None and row.epoch != record.epoch:
            return await self._answer_of(row.id)
        await self._patiently(lambda: record.adopt(self._session, row))
        self._failure = None
        self._check_limit(failure)
        return None

    def _check_limit(self, failure: CommitFailed | Fenced) -> None:
        cause = failure.cause if isinstance(failure, CommitFailed) else Busy(f"{self._record.run_id} was overtaken")
        busy = cause if isinstance(cause, Busy) else as_busy(cause)
        if self._failures > (REPLAYS if busy is not None or is_transient(cause) else 1):
            raise restore_error(describe_error(busy or cause, "commit")) from cause

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        return await patiently(read, self._record.run_id, self._deadline)

    async def wait(self) -> Answer:
        """Return the answer once the run has ended that this call stands for, whoever drives it."""
        answer = await self._answer_of(self.awaits)
        if answer is None:
            raise self._gone(self.awaits)
        return answer

    def _gone(self, run_id: str) -> OutcomeUnknown:
        """Return the error for a run that others have brought to an end, and of which nothing is left.

        To drive it again would do all of it a second time.
        """
        return OutcomeUnknown(f"run {run_id} is not there any more")

    async def _answer_of(self, run_id: str) -> Answer | None:
        """Wait for another execution's run to end; None if it ended without an answer to remember."""
        self.awaits = run_id
        delay = FIRST_POLL
        while True:
            row = await self._patiently(lambda: find_by_id(self._session, run_id))
            if row is None and run_id == self._record.run_id:
                raise self._gone(run_id)
            # An error that is not remembered gives the key free, so this request is as good as the first one.
            if row is None or (row.ended and row.key is None and run_id != self._record.run_id):
                await self._record.adopt(self._session, None)
                self._record.begin_now()
                self.awaits = self._record.run_id
                return None
            if row.input_hash != self._record.input_hash:
                raise IdempotencyMismatch
            if row.final:
                return self._outcome(row)
            if asyncio.get_running_loop().time() + delay > self._deadline:
                raise RunInProgress(f"run {run_id} has not ended yet", run_id=run_id)
            await self._patiently(lambda: self._have_driven(run_id))
            await asyncio.sleep(delay)
            delay = min(delay * 2, LAST_POLL)

    async def _have_driven(self, run_id: str) -> None:
        if self._take_up is not None:
            await self._take_up(run_id)

    def _outcome(self, row: RunRow) -> Answer:
        return outcome_of(row, self._record.definition, self._record.run_id)


async def patiently(read: Callable[[], Awaitable[T]], run_id: str, deadline: float) -> T:
    """Read although the database is away for a moment; `OutcomeUnknown` when it still is at `deadline`."""
    delay = FIRST_POLL
    while True:
        try:
            return await read()
        except Exception as error:
            if as_busy(error) is None:
                raise
            log.warning("database_is_away", run_id=run_id, error=str(error))
            if asyncio.get_running_loop().time() + delay > deadline:
                raise OutcomeUnknown from error
        await asyncio.sleep(delay)
        delay = min(delay * 2, LAST_POLL)


def outcome_of(row: RunRow, definition: Definition[Any, Any], own: str) -> Answer:
    """Return the answer that a run's row holds; replayed if the run is not one's `own`."""
    replayed = row.id != own
    if row.status == "done":
        what = f"the result of workflow {definition.id}"
        return Answer(decode(canonical(row.result or "null"), definition.types[1], what), replayed=replayed)
    if row.error is None:
        return Answer(error=WorkflowFailed(f"run {row.id} was {row.status}"), replayed=replayed)
    error = restore_error(msgspec.json.decode(row.error, type=ErrorData))
    error.replayed = replayed
    return Answer(error=error, replayed=replayed)
