"""Steps at work: attempts until one holds or no further one is due."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from msgspec import Raw, structs

from ..db import Session, Transaction, as_busy, got_no_connection
from ..errors import HoldfastError
from .codec import decode, describe_error, encode, restore_error
from .errors import CommitFailed, RunTimedOut, StepTimedOut
from .failpoint import failpoint
from .frame import Outcome
from .invocation import invoke
from .journal import NULL, Entry, Undo, begun_path
from .lane import Lane
from .ownership import check_ours
from .record import Record
from .retry import is_outcome
from .step import StepCall, StepResponse
from .telemetry import tell_retry

Once = Callable[[Lane, StepCall[Any], Entry, float], Awaitable[Any]]


async def perform_step(lane: Lane, call: StepCall[Any], entry: Entry) -> Outcome:
    """Run a step that the journal does not know yet."""
    # Whoever wrote that it has begun may have made the call.
    unknown = begun_path(entry.path) in lane.record.recorded
    await {"read": _read, "external": _begin, "transactional": _commit}[call.step.kind](lane, call, entry)
    started = time.perf_counter()
    # What was just committed may have told that the run is to be cancelled.
    reason = lane.record.reason_to_halt()
    if reason is not None:
        return _failed(lane, call, entry, reason, started, unknown=unknown)
    while True:
        try:
            return await _ONCE[call.step.kind](lane, call, entry, started), None
        except Exception as error:
            unknown = unknown or not is_outcome(error)
            over = lane.stopped or (isinstance(error, RunTimedOut) and lane.record.is_halted_by(error))
            if over or not call.step.retry.again(error, entry.attempts):
                exhausted = entry.attempts >= call.step.retry.attempts > 1
                return _failed(lane, call, entry, error, started, unknown=unknown or exhausted)
            tell_retry(lane.record.definition.id, lane.record.run_id, entry, error)
        await _pause(lane.record, call, entry.attempts)
        reason = lane.record.reason_to_halt()
        if reason is not None:
            return _failed(lane, call, entry, reason, started, unknown=unknown)
        entry = structs.replace(entry, attempts=entry.attempts + 1)


async def _pause(record: Record, call: StepCall[Any], attempts: int) -> None:
    """Wait until the next attempt is due, the deadline is there, or at some beat the run is to be cancelled."""
    beat, ends = record.container.config.engine.beat_seconds, time.monotonic() + call.step.retry.pause(attempts)
    while not record.cancelled and (seconds := _seconds_until(ends, record)) > 0:
        await asyncio.sleep(min(seconds, beat))
        if record.stored and seconds > beat:
            await check_ours(record)
    if call.step.kind == "external":
        await check_ours(record)


def _seconds_until(ends: float, record: Record) -> float:
    pause, left = ends - time.monotonic(), record.seconds_left
    return pause if left is None else min(pause, left)


async def _commit(lane: Lane, _call: StepCall[Any], _entry: Entry) -> None:
    await lane.commit()


async def _read(lane: Lane, _call: StepCall[Any], _entry: Entry) -> None:
    await lane.commit()
    await lane.record.check_key(Session(lane.record.container.engine))


async def _begin(lane: Lane, call: StepCall[Any], entry: Entry) -> None:
    """Make durable what the call depends on, and that it may be out there from now on."""
    path = begun_path(entry.path)
    if path in lane.record.recorded:
        await check_ours(lane.record)
        return
    await lane.record.check_key(Session(lane.record.container.engine))
    undo = Undo(entry.path, entry.step, NULL) if call.step.undo else None
    now = lane.record.container.clock.now()
    given = Raw(call.given)
    begun = structs.replace(entry, path=path, kind="begun", undo=undo, input=given, ended_at=now)
    await lane.flush(lane.record.running(), begun)
    lane.check_stopped()


async def _read_once(lane: Lane, call: StepCall[Any], entry: Entry, started: float) -> Any:
    record = lane.record
    async with record.connections:
        try:
            value, entry = await _attempt(record, call, entry, Session(record.container.engine, read_only=True))
        except Exception as error:
            if got_no_connection(error):
                _take_again(record, error)
            raise
    record.pending.append(record.timed(entry, started))
    return value


async def _transact_once(lane: Lane, call: StepCall[Any], entry: Entry, started: float) -> Any:
    async with lane.record.connections:
        return await _transact(lane, call, entry, started)


async def _transact(lane: Lane, call: StepCall[Any], entry: Entry, started: float) -> Any:
    record = lane.record
    transaction = await _begun(record)
    try:
        session = Session(record.container.engine, transaction)
        await record.check_key(session)
        value, entry = await _attempt(record, call, entry, session)
        await lane.keep(transaction, record.timed(entry, started))
    except (StepTimedOut, RunTimedOut):
        await transaction.discard()
        raise
    except BaseException:
        await transaction.rollback()
        raise
    return value


async def _begun(record: Record) -> Transaction:
    try:
        return await Transaction.begin(record.container.engine)
    except Exception as error:
        _take_again(record, error)
        raise


def _take_again(record: Record, error: Exception) -> None:
    """Raise `CommitFailed` for a step that got no connection if its run has a row: that is no outcome.

    A run without a row has done nothing, and its caller is told soon.
    """
    if record.stored:
        raise CommitFailed(error) from error


async def _act_once(lane: Lane, call: StepCall[Any], entry: Entry, started: float) -> Any:
    record = lane.record
    lane.check_stopped()
    failpoint("before-external-call")
    with lane.sheltered():
        value, entry = await _attempt(record, call, entry, Session(record.container.engine))
    failpoint("after-external-call")
    record.pending.append(record.timed(entry, started))
    return value


_ONCE: dict[str, Once] = {"read": _read_once, "external": _act_once, "transactional": _transact_once}


async def _attempt(record: Record, call: StepCall[Any], entry: Entry, session: Session) -> tuple[Any, Entry]:
    """Run the step's function; return the decoded copy of its value, and the entry with the encoded one."""
    step = call.step
    args, kwargs = call.own_arguments()
    returned, emitted = await invoke(record, entry, session, step, step.fn, *args, **kwargs)
    value, argument = _value_and_argument(returned)
    encoded = encode(value, f"the result of step {step.id}")
    undo = None
    if step.undo is not None:
        what = f"the undo argument of step {step.id}"
        undo = Undo(entry.path, step.id, Raw(encode(argument, what)))
        decode(bytes(undo.argument), step.types[1], what)
    copy = decode(encoded, step.types[0], f"the result of step {step.id}")
    given = Raw(call.given) if record.definition.record_inputs else NULL
    return copy, structs.replace(entry, value=Raw(encoded), undo=undo, input=given, events=emitted)


def _failed(
    lane: Lane, call: StepCall[Any], entry: Entry, error: Exception, started: float, *, unknown: bool
) -> Outcome:
    """Journal the failure; an external call of unknown outcome is owed an undo, which has to find out."""
    data = describe_error(as_busy(error) or error, entry.step)
    owed = call.step.kind == "external" and call.step.undo is not None and unknown
    undo = Undo(entry.path, entry.step, NULL) if owed else None
    given = Raw(call.given)
    lane.record.pending.append(lane.record.timed(structs.replace(entry, error=data, undo=undo, input=given), started))
    restored: HoldfastError = restore_error(data)
    restored.__cause__ = error
    return None, restored


def _value_and_argument(returned: Any) -> tuple[Any, Any]:
    if isinstance(returned, StepResponse):
        returned = cast("StepResponse[Any, Any]", returned)
        return returned.value, returned.compensate_with
    return returned, returned
