"""Compensation: the undos of a failed body, latest path first.

The undo of a transactional step shares one transaction with its journal entry; that of an external step is external.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Raw, structs

from ..db import Session, Transaction, as_busy, connection_lost, is_transient
from ..errors import ConfigurationError, HoldfastError
from .codec import ErrorData, decode, describe_error
from .errors import CommitFailed, Halted, PermanentFailure, RunStateConflict, StepTimedOut, Suspended
from .invocation import invoke
from .journal import FAILURE_PATH, NULL, Change, Entry, Undo, attempt_path, path_order, undo_path
from .ownership import check_ours
from .record import Record
from .retry import TRANSIENT
from .step import AnyStep

Steps = dict[str, AnyStep[..., Any, Any]]
After = Callable[[Entry], Change]

LONGEST_PAUSE = 300.0
"""Seconds between two attempts of an undo, at most."""


async def compensate(record: Record, steps: Steps) -> None:
    """Run every undo that the run's failure entry lists and that has no entry yet; the last one ends the run.

    An undo that fails is tried again later, as often as the configuration says; then it is marked failed, the next
    older one still runs, and the run ends `compensation_failed`. Raises `Suspended` while an attempt is due later,
    `CommitFailed` when the connection broke while committing, and `Fenced`.
    """
    failure = record.recorded[FAILURE_PATH]
    error = failure.error
    if error is None:
        raise ConfigurationError(f"run {record.run_id} has a failure entry without an error")
    # Those of a child that could not be undone, and are to be tried again, are on the child's list alone.
    listed = {undo.path: undo for undo in [*_left(record, failure), *record.owed()]}
    owed = sorted(listed.values(), key=lambda undo: path_order(undo.path), reverse=True)
    if not owed:
        await _end(record, error)
    for undo in owed[:-1]:
        await _Undoing(record, steps, undo, lambda _entry: record.compensating()).run()
    for undo in owed[-1:]:
        await _Undoing(record, steps, undo, lambda entry: record.failed(error, [entry])).run()


async def _end(record: Record, error: ErrorData) -> None:
    """End a run whose undos were all done before it came to this."""
    await record.commit(await record.begin_flush(), record.failed(error))


async def undo_child(record: Record, steps: Steps, failure: Entry, error: HoldfastError) -> None:
    """Run every undo that a failed child's entry lists and that has no entry yet; the run goes on.

    Raises `Halted` with `error` when one of them was given up: no body is told that what it called was undone if it
    was not. Otherwise as `compensate`.
    """
    for undo in _left(record, failure):
        await _Undoing(record, steps, undo, lambda _entry: record.running()).run()
    if any(record.recorded[undo_path(undo.path)].error is not None for undo in failure.undos):
        raise Halted(error)


async def give_up_unknown(record: Record, steps: Steps, transaction: Transaction) -> None:
    """Have those undos of a run fail for good whose steps are not known here; whoever takes it up does the others.

    Raises `RunStateConflict` if there are none.
    """
    unknown = unknown_undos(record, steps)
    if not unknown:
        detail = f"run {record.run_id} is {record.status}, by steps that are known here: there is nothing to give up"
        raise RunStateConflict(detail, status=record.status)
    failed = [
        structs.replace(
            record.entry(undo_path(undo.path), undo.step, "undo"), error=describe_error(no_undo(undo), undo.step)
        )
        for undo in unknown
    ]
    await record.give_up_undos(transaction, failed)


def no_undo(undo: Undo) -> ConfigurationError:
    """Return why a run cannot be undone by this process."""
    return ConfigurationError(f"no compensation of step {undo.step} is known here")


def unknown_undos(record: Record, steps: Steps) -> list[Undo]:
    """Return the undos that a run owes, or a child of its, and whose steps are not among `steps`."""
    failures = [entry for entry in record.recorded.values() if entry.kind == "failure"]
    undos = [undo for entry in failures for undo in _left(record, entry)] + (record.owed() if record.cancelled else [])
    unknown = {undo.path: undo for undo in undos if undo.step not in steps or steps[undo.step].undo is None}
    return [*unknown.values()]


def _left(record: Record, failure: Entry) -> list[Undo]:
    return [undo for undo in failure.undos if undo_path(undo.path) not in record.recorded]


class _Undoing:
    """One undo: an attempt, and if that fails an instant for the next one. `after`: what becomes of the run then."""

    def __init__(self, record: Record, steps: Steps, undo: Undo, after: After) -> None:
        self._record = record
        self._step = steps.get(undo.step)
        self._undo = undo
        self._after = after
        self._started = time.perf_counter()
        self._round = 1
        """Number of the attempt, those apart that are repeated at once."""
        self._entry = record.entry(undo_path(undo.path), undo.step, "undo")

    async def run(self) -> None:
        """Leave an entry that says how the undo ended; raises `Suspended` while a further attempt is due later."""
        self._wait_until_due()
        try:
            await (self._act() if self._external else self._transact_at_once())
            return
        except Exception as error:
            data = describe_error(as_busy(error) or error, self._undo.step)
            if self._is_worth_another(error):
                raise self._later(data) from error
        self._entry = structs.replace(self._entry, error=data)
        # In a transaction of its own: that of the undo is rolled back.
        await self._write(await self._record.begin_flush())

    def _wait_until_due(self) -> None:
        """Count the attempts that the journal knows; raise `Suspended` until the next one is due."""
        entries = self._record.entries()
        while (failed := entries.get(attempt_path(self._undo.path, self._round))) is not None:
            due_at = msgspec.json.decode(failed.value, type=datetime)
            if self._record.container.clock.now() < due_at:
                raise Suspended(due_at)
            self._round += 1
            self._entry = structs.replace(self._entry, attempts=failed.attempts + 1)

    def _is_worth_another(self, error: Exception) -> bool:
        limit = self._record.container.config.engine.undo_attempts
        return self._round < limit and not isinstance(error, PermanentFailure | ConfigurationError)

    def _later(self, data: ErrorData) -> Suspended:
        """Journal that this attempt failed and when the next one is due."""
        first = self._record.container.config.engine.undo_pause_seconds
        due_at = self._record.container.clock.now() + timedelta(
            seconds=min(first * 2 ** (self._round - 1), LONGEST_PAUSE)
        )
        path, value = attempt_path(self._undo.path, self._round), Raw(msgspec.json.encode(due_at))
        failed = structs.replace(self._entry, path=path, kind="undo-attempt", error=data, value=value)
        self._record.pending.append(self._record.timed(failed, self._started))
        return Suspended(due_at)

    @property
    def _external(self) -> bool:
        return self._step is not None and self._step.kind == "external"

    async def _act(self) -> None:
        await check_ours(self._record)
        await self._invoke(Session(self._record.container.engine))
        await self._write(await self._record.begin_flush())

    async def _transact_at_once(self) -> None:
        """Repeat at once what the same transaction may well survive: serialization failures and deadlocks."""
        for _ in range(TRANSIENT.attempts - 1):
            try:
                return await self._transact()
            except Exception as error:
                if not is_transient(error):
                    raise
            self._entry = structs.replace(self._entry, attempts=self._entry.attempts + 1)
        return await self._transact()

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
            raise no_undo(self._undo)
        stored = self._undo.argument
        unknown = self._external and stored == NULL
        argument = None if unknown else decode(bytes(stored), step.types[1], f"the undo argument of step {step.id}")
        _, emitted = await invoke(self._record, self._entry, session, step, step.undo, argument)
        at_once = [structs.replace(each, at_once=True) for each in emitted]
        self._entry = structs.replace(self._entry, events=at_once)

    async def _write(self, transaction: Transaction) -> None:
        entry = self._record.timed(self._entry, self._started)
        await self._record.commit(transaction, self._after(entry), [entry])
