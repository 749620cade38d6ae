"""Compensation: the undos of a failed run, latest path first, each with its journal entry in one transaction."""

import time
from typing import Any

from msgspec import structs

from ..db import Session, Transaction, as_busy, connection_lost, is_transient
from ..errors import ConfigurationError
from .codec import decode, describe_error
from .context import StepContext
from .errors import CommitFailed
from .journal import FAILURE_PATH, Change, Entry, Undo
from .record import Record
from .step import STEP_ATTEMPTS, AnyStep

Steps = dict[str, AnyStep[..., Any, Any]]


async def compensate(record: Record, steps: Steps) -> None:
    """Run every undo that the failure entry lists and that has no entry yet; the last one ends the run.

    An undo that keeps failing is marked failed, the next older one still runs, and the run ends
    `compensation_failed`. Raises `CommitFailed` when the connection broke while committing.
    """
    owed = [undo for undo in record.recorded[FAILURE_PATH].undos if _path(undo) not in record.recorded]
    for undo in owed:
        await _undo(record, steps, undo, last=undo is owed[-1])


async def _undo(record: Record, steps: Steps, undo: Undo, *, last: bool) -> None:
    started = time.perf_counter()
    for attempt in range(1, STEP_ATTEMPTS + 1):
        now = record.container.clock.now()
        entry = Entry(path=_path(undo), step=undo.step, kind="undo", attempts=attempt, ended_at=now, duration_ms=0)
        try:
            await _undo_once(record, steps, undo, entry, started, last=last)
        except Exception as error:
            if is_transient(error) and attempt < STEP_ATTEMPTS:
                continue
            entry = structs.replace(entry, error=describe_error(as_busy(error) or error, undo.step))
            await _write(record, await Transaction.begin(record.container.engine), entry, started, last=last)
        return


async def _undo_once(record: Record, steps: Steps, undo: Undo, entry: Entry, started: float, *, last: bool) -> None:
    transaction = await Transaction.begin(record.container.engine)
    try:
        await _invoke(record, steps, undo, entry, Session(record.container.engine, transaction))
        await _write(record, transaction, entry, started, last=last)
    except CommitFailed as failed:
        if connection_lost(failed.cause):
            raise
        raise failed.cause from failed
    except BaseException:
        await transaction.rollback()
        raise


async def _invoke(record: Record, steps: Steps, undo: Undo, entry: Entry, session: Session) -> None:
    step = steps.get(undo.step)
    if step is None or step.undo is None:
        raise ConfigurationError(f"no compensation of step {undo.step} is known here")
    argument = decode(bytes(undo.argument), step.types[1], f"the undo argument of step {step.id}")
    async with record.container.scope(session=session, context=record.context) as scope:
        await step.undo(StepContext(scope, run_id=record.run_id, path=entry.path, attempt=entry.attempts), argument)


async def _write(record: Record, transaction: Transaction, entry: Entry, started: float, *, last: bool) -> None:
    took = (time.perf_counter() - started) * 1000
    record.pending = [structs.replace(entry, duration_ms=round(took, 3))]
    await record.commit(transaction, _change(record) if last else record.compensating())


def _change(record: Record) -> Change:
    entries = [*record.recorded.values(), *record.pending]
    undone = all(entry.error is None for entry in entries if entry.kind == "undo")
    failure = record.recorded[FAILURE_PATH].error
    if failure is None:
        raise ConfigurationError(f"run {record.run_id} has a failure entry without an error")
    return record.failed("compensated" if undone else "compensation_failed", failure)


def _path(undo: Undo) -> str:
    return f"{undo.path}:undo"
