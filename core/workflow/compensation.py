"""Compensation: the undos of a failed run, latest path first, each with its journal entry in one transaction."""

import asyncio
import time
from typing import Any

from msgspec import structs

from ..db import Session, Transaction, as_busy, connection_lost, is_transient
from ..errors import ConfigurationError, HoldfastError
from .codec import decode, describe_error
from .errors import CommitFailed
from .invocation import invoke
from .journal import FAILURE_PATH, Change, Entry, Undo
from .record import Record
from .step import STEP_ATTEMPTS, AnyStep

Steps = dict[str, AnyStep[..., Any, Any]]

FIRST_PAUSE = 0.025
"""Seconds, doubling before each further attempt of an undo."""


async def compensate(record: Record, steps: Steps) -> None:
    """Run every undo that the failure entry lists and that has no entry yet; the last one ends the run.

    An undo that keeps failing is marked failed, the next older one still runs, and the run ends
    `compensation_failed`. Raises `CommitFailed` when the connection broke while committing, and `Fenced`.
    """
    owed = [undo for undo in record.recorded[FAILURE_PATH].undos if _path(undo) not in record.recorded]
    for undo in owed:
        await _undo(record, steps, undo, last=undo is owed[-1])


async def _undo(record: Record, steps: Steps, undo: Undo, *, last: bool) -> None:
    started = time.perf_counter()
    entry = Entry(path=_path(undo), step=undo.step, kind="undo", ended_at=record.container.clock.now(), duration_ms=0)
    while True:
        try:
            await _undo_once(record, steps, undo, entry, started, last=last)
            return
        except Exception as error:
            if entry.attempts == STEP_ATTEMPTS or not _may_pass(error):
                failed = structs.replace(entry, error=describe_error(as_busy(error) or error, undo.step))
                break
        await asyncio.sleep(FIRST_PAUSE * 2**entry.attempts)
        entry = structs.replace(entry, attempts=entry.attempts + 1)
    # In a transaction of its own: that of the undo is rolled back.
    await _write(record, await record.begin_flush(), failed, started, last=last)


def _may_pass(error: Exception) -> bool:
    if isinstance(error, HoldfastError):
        return error.retryable
    return is_transient(error) or as_busy(error) is not None


async def _undo_once(record: Record, steps: Steps, undo: Undo, entry: Entry, started: float, *, last: bool) -> None:
    transaction = await Transaction.begin(record.container.engine)
    try:
        await _invoke(record, steps, undo, entry, Session(record.container.engine, transaction))
        await _write(record, transaction, entry, started, last=last)
        return
    except CommitFailed as failed:
        if connection_lost(failed.cause):
            raise
        refused = failed.cause
    except BaseException:
        await transaction.rollback()
        raise
    raise refused


async def _invoke(record: Record, steps: Steps, undo: Undo, entry: Entry, session: Session) -> None:
    step = steps.get(undo.step)
    if step is None or step.undo is None:
        raise ConfigurationError(f"no compensation of step {undo.step} is known here")
    argument = decode(bytes(undo.argument), step.types[1], f"the undo argument of step {step.id}")
    await invoke(record, entry, session, step.undo, argument)


async def _write(record: Record, transaction: Transaction, entry: Entry, started: float, *, last: bool) -> None:
    took = (time.perf_counter() - started) * 1000
    record.pending = [structs.replace(entry, ended_at=record.container.clock.now(), duration_ms=round(took, 3))]
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
