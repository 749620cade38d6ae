"""From a call to its answer: passes through the body until one holds, compensation, and the answers of others."""

import asyncio
from typing import Any

import msgspec
import structlog

from ..db import Session, as_busy, connection_lost, is_transient
from ..errors import HoldfastError, OutcomeUnknown
from .codec import ErrorData, decode, describe_error, restore_error
from .compensation import Steps, compensate
from .errors import (
    BodyFailed,
    CommitFailed,
    Decided,
    Fenced,
    IdempotencyMismatch,
    Parked,
    RunInProgress,
    WorkflowFailed,
)
from .execution import Execution
from .journal import RunRow, find_by_id, find_by_key, read_entries
from .record import Record

log = structlog.get_logger("holdfast.workflow")

REPLAYS = 5
"""Passes after a commit that failed by connection loss, serialization failure or deadlock; one for anything else."""
FIRST_POLL, LAST_POLL = 0.05, 1.0
"""Seconds between looks at a row that another execution owns; doubling."""


class Answer(msgspec.Struct, frozen=True):
    """What a call gets: the decoded result, and whether an earlier run with the same key produced it."""

    value: Any
    replayed: bool


class Runner:
    """Brings one run to its end; holds at most one connection, and none while it waits."""

    def __init__(self, record: Record, *, patience: float) -> None:
        self._record = record
        self._session = Session(record.container.engine)
        self._deadline = asyncio.get_running_loop().time() + patience
        self._steps: Steps = {}
        self._failed_commits = 0

    async def run(self) -> Answer:
        """Return the answer; raises the run's error, `Busy`, `OutcomeUnknown`, `RunInProgress`."""
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
        """Go once through the body; None means that another pass is needed."""
        record = self._record
        try:
            value = await Execution(record, self._steps, eager=self._failed_commits > 0).drive()
            return Answer(value, replayed=False)
        except BodyFailed as failed:
            return await self._settle(failed.error)
        except Decided as decided:
            return await self._answer_of(decided.run_id)
        except Fenced:
            return await self._answer_of(record.run_id)
        except CommitFailed as failed:
            return await self._reread(failed)
        except Parked as parked:
            await self._park(parked)
            raise parked.error from None

    async def _settle(self, error: HoldfastError) -> Answer | None:
        """Run the compensations that are owed, if any, and raise the error that ended the body."""
        if self._record.status == "compensating":
            try:
                await compensate(self._record, self._steps)
            except CommitFailed as failed:
                return await self._reread(failed)
        raise error

    async def _reread(self, failed: CommitFailed) -> Answer | None:
        """After a failed commit the row decides: ours may have landed, or another run's may own our key."""
        cause = failed.cause
        self._failed_commits += 1
        record = self._record
        limit = REPLAYS if connection_lost(cause) or is_transient(cause) else 1
        row = await self._find_row(cause)
        if row is None and record.key is not None:
            other = await find_by_key(self._session, record.definition.id, record.key)
            if other is not None:
                return await self._answer_of(other)
        await record.adopt(self._session, row)
        if row is not None and row.ended:
            return self._outcome(row, replayed=False)
        if self._failed_commits > limit:
            raise restore_error(describe_error(as_busy(cause) or cause, "commit")) from cause
        if row is not None and row.status == "compensating":
            return await self._settle(await self._stored_error(row))
        return None

    async def _find_row(self, cause: Exception) -> RunRow | None:
        record = self._record
        if connection_lost(cause) and not record.kept:
            raise OutcomeUnknown from cause
        delay = FIRST_POLL
        for _ in range(REPLAYS):
            try:
                return await find_by_id(self._session, record.run_id)
            except Exception as error:
                if as_busy(error) is None:
                    raise
                log.warning("reread_failed", run_id=record.run_id, error=str(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, LAST_POLL)
        raise OutcomeUnknown from cause

    async def _stored_error(self, row: RunRow) -> HoldfastError:
        entries = await read_entries(self._session, row)
        failure = next(entry.error for entry in entries.values() if entry.kind == "failure")
        return restore_error(failure) if failure else WorkflowFailed(f"run {row.id} failed")

    async def _park(self, parked: Parked) -> None:
        record = self._record
        if record.stored:
            async with self._session.transaction() as transaction:
                await record.park(transaction, parked.error)

    async def _answer_of(self, run_id: str) -> Answer | None:
        """Wait for another execution's run to end; None if it ended without an answer to remember."""
        delay = FIRST_POLL
        while True:
            row = await find_by_id(self._session, run_id)
            if row is None or (row.ended and row.key is None and run_id != self._record.run_id):
                await self._record.adopt(self._session, None)
                return None
            if row.input_hash != self._record.input_hash:
                raise IdempotencyMismatch
            if row.ended:
                return self._outcome(row, replayed=True)
            if asyncio.get_running_loop().time() + delay > self._deadline:
                raise RunInProgress(f"run {run_id} has not ended yet", run_id=run_id)
            await asyncio.sleep(delay)
            delay = min(delay * 2, LAST_POLL)

    def _outcome(self, row: RunRow, *, replayed: bool) -> Answer:
        definition = self._record.definition
        if row.status == "done":
            what = f"the result of workflow {definition.id}"
            return Answer(decode((row.result or "null").encode(), definition.types[1], what), replayed=replayed)
        if row.error is None:
            raise WorkflowFailed(f"run {row.id} was {row.status}")
        error = restore_error(msgspec.json.decode(row.error, type=ErrorData))
        error.replayed = replayed
        raise error
