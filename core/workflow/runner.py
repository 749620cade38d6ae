"""From a call to its answer: passes through the body until one holds, compensation, and the answers of others."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import structlog

from ..db import Session, as_busy, connection_lost, is_transient
from ..errors import Busy, HoldfastError, OutcomeUnknown
from .call import Finished
from .codec import ErrorData, canonical, decode, describe_error, restore_error
from .compensation import Steps, compensate
from .errors import (
    CommitFailed,
    Decided,
    Fenced,
    IdempotencyMismatch,
    Parked,
    RunInProgress,
    WorkflowFailed,
)
from .execution import Execution
from .journal import RunRow, find_by_id, find_by_key
from .record import Record

T = TypeVar("T")

log = structlog.get_logger("holdfast.workflow")

REPLAYS = 5
"""Passes after a commit that failed by connection loss, serialization failure or deadlock; one for anything else."""
FIRST_POLL, LAST_POLL = 0.05, 1.0
"""Seconds between looks at a row that another execution owns; doubling."""


class Answer(msgspec.Struct, frozen=True):
    """What a call gets: the decoded result or the run's error; whether an earlier run with the key produced it."""

    value: Any = None
    error: HoldfastError | None = None
    replayed: bool = False


class Runner:
    """Brings one run to its end; holds at most one connection, and none while it waits."""

    def __init__(self, record: Record, *, patience: float) -> None:
        self.awaits = record.run_id
        """The run whose end answers this call: its own, or that of another one with its key."""
        self._record = record
        self._session = Session(record.container.engine)
        self._deadline = asyncio.get_running_loop().time() + patience
        self._steps: Steps = {}
        self._failures = 0
        """How many passes ended with a commit that failed."""
        self._failure: CommitFailed | Fenced | None = None

    async def run(self) -> Answer:
        """Return the answer; raises `IdempotencyMismatch`, `RunInProgress`, `Busy`, `OutcomeUnknown`."""
        try:
            while True:
                answer = await self._pass()
                if answer is not None:
                    return answer
        except HoldfastError:
            raise
        except Exception as error:
            busy = as_busy(error)
            if busy is None:
                raise
            raise busy from error

    async def _pass(self) -> Answer | None:
        """Go once through the body, or mend what the last pass left; None means that another pass is needed."""
        try:
            return await (self._drive() if self._failure is None else self._recover(self._failure))
        except (CommitFailed, Fenced) as failure:
            self._failure = failure
            self._failures += 1
            return None

    async def _drive(self) -> Answer | None:
        try:
            outcome = await Execution(self._record, self._steps, eager=self._failures > 0).drive()
        except Decided as decided:
            return await self._answer_of(decided.run_id)
        except Parked as parked:
            await self._record.park(parked.error)
            return Answer(error=parked.error)
        return Answer(outcome.value) if isinstance(outcome, Finished) else await self._settle(outcome)

    async def _settle(self, error: HoldfastError) -> Answer:
        """Run the compensations that are owed, if any."""
        if self._record.status == "compensating":
            await compensate(self._record, self._steps)
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
        # Another process has taken the run over: two must not drive it.
        if row is not None and row.epoch != record.epoch:
            return await self._answer_of(row.id)
        await self._patiently(lambda: record.adopt(self._session, row))
        self._failure = None
        self._check_limit(failure)
        if record.status == "compensating":
            return await self._settle(record.stored_failure())
        return None

    def _check_limit(self, failure: CommitFailed | Fenced) -> None:
        cause = failure.cause if isinstance(failure, CommitFailed) else Busy(f"{self._record.run_id} was overtaken")
        repeatable = isinstance(cause, Busy) or connection_lost(cause) or is_transient(cause)
        if self._failures > (REPLAYS if repeatable else 1):
            raise restore_error(describe_error(as_busy(cause) or cause, "commit")) from cause

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read although the database is away for a moment; `OutcomeUnknown` when it stays away."""
        delay = FIRST_POLL
        while True:
            try:
                return await read()
            except Exception as error:
                if as_busy(error) is None:
                    raise
                log.warning("database_is_away", run_id=self._record.run_id, error=str(error))
                if asyncio.get_running_loop().time() + delay > self._deadline:
                    raise OutcomeUnknown from error
            await asyncio.sleep(delay)
            delay = min(delay * 2, LAST_POLL)

    async def _answer_of(self, run_id: str) -> Answer | None:
        """Wait for another execution's run to end; None if it ended without an answer to remember."""
        self.awaits = run_id
        delay = FIRST_POLL
        while True:
            row = await find_by_id(self._session, run_id)
            # An error that is not remembered gives the key free, so this request is as good as the first one.
            if row is None or (row.ended and row.key is None and run_id != self._record.run_id):
                await self._record.adopt(self._session, None)
                self.awaits = self._record.run_id
                return None
            if row.input_hash != self._record.input_hash:
                raise IdempotencyMismatch
            if row.ended:
                return self._outcome(row)
            if asyncio.get_running_loop().time() + delay > self._deadline:
                raise RunInProgress(f"run {run_id} has not ended yet", run_id=run_id)
            await asyncio.sleep(delay)
            delay = min(delay * 2, LAST_POLL)

    def _outcome(self, row: RunRow) -> Answer:
        replayed = row.id != self._record.run_id
        definition = self._record.definition
        if row.status == "done":
            what = f"the result of workflow {definition.id}"
            return Answer(decode(canonical(row.result or "null"), definition.types[1], what), replayed=replayed)
        if row.error is None:
            return Answer(error=WorkflowFailed(f"run {row.id} was {row.status}"), replayed=replayed)
        error = restore_error(msgspec.json.decode(row.error, type=ErrorData))
        error.replayed = replayed
        return Answer(error=error, replayed=replayed)
