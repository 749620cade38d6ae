"""Compensation: the undos of a failed body, latest path first.

The undo of a transactional step shares one transaction with its journal entry; that of an external step is external.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from msgspec import structs

from ..db import Session, Transaction, as_busy, connection_lost, is_transient
from ..errors import ConfigurationError, HoldfastError
from .codec import decode, describe_error
from .errors import CommitFailed, PermanentFailure, StepTimedOut
from .invocation import invoke
from .journal import FAILURE_PATH, NULL, Change, Entry, Undo, undo_path
from .ownership import check_ours
from .record import Record
from .step import AnyStep

Steps = dict[str, AnyStep[..., Any, Any]]
After = Callable[[Entry], Change]

UNDO_ATTEMPTS = 5
FIRST_PAUSE = 0.025
"""Seconds, doubling before each further attempt of a transactional undo."""


async def compensate(record: Record, steps: Steps) -> None:
    """Run every undo that the run's failure entry lists and that has no entry yet; the last one ends the run.

    An undo that keeps failing is marked failed, the next older one still runs, and the run ends
    `compensation_failed`. Raises `CommitFailed` when the connection broke while committing, and `Fenced`.
    """
    failure = record.recorded[FAILURE_PATH]
    error = failure.error
    if error is None:
        raise ConfigurationError(f"run {record.run_id} has a failure entry without an error")
    owed = _left(record, failure)
    for undo in owed[:-1]:
        await _Undoing(record, steps, undo, lambda _entry: record.compensating()).run()
    for undo in owed[-1:]:
        await _Undoing(record, steps, undo, lambda entry: record.failed(error, [entry])).run()


async def undo_child(record: Record, steps: Steps, failure: Entry) -> None:
    """Run every undo that a failed child's entry lists and that has no entry yet; the run goes on."""
    for undo in _left(record, failure):
        await _Undoing(record, steps, undo, lambda _entry: record.running()).run()


def _left(record: Record, failure: Entry) -> list[Undo]:
    return [undo for undo in failure.undos if undo_path(undo.path) not in record.recorded]


class _Undoing:
    """One undo: attempts until one holds or no further one is due. `after` says what becomes of the run then."""

    def __init__(self, record: Record, steps: Steps, undo: Undo, after: After) -> None:
        self._record = record
        self._step = steps.get(undo.step)
        self._undo = undo
        self._after = after
        self._started = time.perf_counter()
        self._entry = record.entry(undo_path(undo.path), undo.step, "undo")

    async def run(self) -> None:
        """Leave an entry that says how the undo ended."""
        while True:
            try:
                await (self._act() if self._external else self._transact())
                return
            except Exception as error:
                pause = self._pause(error)
                if pause is None:
                    data = describe_error(as_busy(error) or error, self._undo.step)
                    break
            await asyncio.sleep(pause)
            self._entry = structs.replace(self._entry, attempts=self._entry.attempts + 1)
        self._entry = structs.replace(self._entry, error=data)
        # In a transaction of its own: that of the undo is rolled back.
        await self._write(await self._record.begin_flush())

    @property
    def _external(self) -> bool:
        return self._step is not None and self._step.kind == "external"

    def _pause(self, error: Exception) -> float | None:
        """Return the seconds until the next attempt, None if there is none."""
        attempts = self._entry.attempts
        if self._step is not None and self._external:
            retry = self._step.retry
            last = attempts >= retry.attempts or isinstance(error, PermanentFailure | ConfigurationError)
            return None if last else retry.pause(attempts)
        return FIRST_PAUSE * 2**attempts if attempts < UNDO_ATTEMPTS and _may_pass(error) else None

    async def _act(self) -> None:
        await check_ours(self._record)
        await self._invoke(Session(self._record.container.engine))
        await self._write(await self._record.begin_flush())

    async def _transact(self) -> None:
        transaction = await Transaction.begin(self._record.container.engine)
        try:
            await self._invoke(Session(self._record.container.engine, transaction))
            await self._write(transaction)
            return
        except CommitFailed as failed:
            if connection_lost(failed.cause):
                raise
            refused = failed.cause
        except StepTimedOut:
            await transaction.discard()
            raise
        except BaseException:
            await transaction.rollback()
            raise
        raise refused

    async def _invoke(self, session: Session) -> None:
        step = self._step
        if step is None or step.undo is None:
            raise ConfigurationError(f"no compensation of step {self._undo.step} is known here")
        stored = self._undo.argument
        unknown = self._external and stored == NULL
        argument = None if unknown else decode(bytes(stored), step.types[1], f"the undo argument of step {step.id}")
        await invoke(self._record, self._entry, session, step, step.undo, argument)

    async def _write(self, transaction: Transaction) -> None:
        entry = self._record.timed(self._entry, self._started)
        await self._record.commit(transaction, self._after(entry), [entry])


def _may_pass(error: Exception) -> bool:
    if isinstance(error, HoldfastError):
        return error.retryable
    return is_transient(error) or as_busy(error) is not None
