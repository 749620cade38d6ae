"""Sleeps and waits: a run that has nothing to do is a row with an instant at which it is due."""

import time
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, structs

from ..db import Session
from ..errors import InvalidData
from .call import Call
from .codec import check_readable, decode, describe_error, encode, restore_error
from .errors import CommitFailed, StepTimedOut, Suspended, UnstorableResult
from .frame import Outcome
from .journal import NULL, Entry, begun_path
from .lane import Lane
from .record import Record
from .secret import check_no_secret
from .signals import Signal, is_there, take_signal

T = TypeVar("T")

LONGEST = timedelta(days=36525)
"""A sleep or a time-out of a hundred years ends at an instant that can be written."""


class WaitingCall(Call[T]):
    """A call that may suspend the run."""

    nested = ":begun"
    id: str
    kind: str
    lasts: timedelta | None
    """How long at most; None for as long as it takes."""


class SleepCall(WaitingCall[None]):
    """A pause."""

    id = kind = "sleep"

    def __init__(self, delay: timedelta) -> None:
        self.lasts = _possible(delay)
        super().__init__("sleep", delay)


class WaitCall(WaitingCall[T]):
    """A wait for a signal."""

    kind = "wait"

    def __init__(self, signal: str, value_type: Any, timeout: timedelta | None) -> None:
        self.lasts = None if timeout is None else _possible(timeout)
        super().__init__(f"wait_for {signal!r}", timeout)
        self.id = f"wait:{signal}"
        self.signal = signal
        self.value_type = value_type

    def check(self) -> None:
        """Raise what is wrong with the call."""
        super().check()
        check_readable(self.value_type, f"the value of {self.name}")
        check_no_secret(self.value_type, self.name, "its value")


def sleep(delay: timedelta, /) -> Call[None]:
    """Pause the run for `delay`; it survives every restart and holds neither memory nor a connection."""
    return SleepCall(delay)


def wait_for(name: str, kind: type[T], /, *, timeout: timedelta | None = None) -> Call[T]:
    """Wait for the next signal `name` and return its value, of type `kind`; signals that came earlier are kept.

    Raises the error of a `signal_failure`, `StepTimedOut` after `timeout`, `InvalidData` for a value of another type.
    """
    return WaitCall(name, kind, timeout)


async def perform_waiting(record: Record, lane: Lane, call: WaitingCall[Any], entry: Entry) -> Outcome:
    """Return the outcome of a sleep or wait whose end is not in the journal, or raise `Suspended`."""
    due_at = _due_at(record, call, entry)
    if isinstance(call, WaitCall) and record.stored:
        ended = await _take(record, lane, call, entry)
        if ended is not None:
            return ended
    if due_at is None or record.container.clock.now() < due_at:
        raise Suspended(due_at, [call.signal] if isinstance(call, WaitCall) else ())
    error = None
    if isinstance(call, WaitCall):
        error = StepTimedOut(f"no signal {call.signal!r} came within {call.lasts}")
    data = None if error is None else describe_error(error, call.name)
    record.pending.append(record.timed(structs.replace(entry, error=data), time.perf_counter()))
    return None, error


def _possible(length: timedelta) -> timedelta:
    """Return `length`, of which the end can still be said; what is over already does not last."""
    if length > LONGEST:
        raise InvalidData(f"a run waits for {LONGEST.days} days at most, not {length.days}")
    return max(length, timedelta(0))


def _due_at(record: Record, call: WaitingCall[Any], entry: Entry) -> datetime | None:
    """Return when the call ends at the latest, as it was said when it began."""
    begun = record.recorded.get(begun_path(entry.path))
    if begun is not None:
        return msgspec.json.decode(begun.value, type=datetime | None)
    now = record.container.clock.now()
    due_at = None if call.lasts is None else now + call.lasts
    value = Raw(msgspec.json.encode(due_at))
    record.pending.append(structs.replace(entry, path=begun_path(entry.path), kind="begun", value=value, ended_at=now))
    return due_at


async def _take(record: Record, lane: Lane, call: WaitCall[Any], entry: Entry) -> Outcome | None:
    """Take a signal in one transaction with the entry that it makes."""
    await lane.commit()
    if not await is_there(Session(record.container.engine), record.run_id, call.signal):
        return None
    transaction = await record.begin_flush()
    try:
        signal = await take_signal(transaction, record.run_id, call.signal)
        taken = None if signal is None else _outcome(call, entry, signal)
    except Exception as error:
        await transaction.rollback()
        raise CommitFailed(error) from error
    except BaseException:
        await transaction.rollback()
        raise
    if taken is None:
        await transaction.rollback()
        return None
    ended, outcome = taken
    with lane.sheltered():
        await record.commit(transaction, record.running(), [record.timed(ended, time.perf_counter())])
    return outcome


def _outcome(call: WaitCall[Any], entry: Entry, signal: Signal) -> tuple[Entry, Outcome]:
    if signal.error is not None:
        return structs.replace(entry, error=signal.error), (None, restore_error(signal.error))
    what = f"signal {call.signal!r}"
    try:
        copy = decode(signal.value, call.value_type, what)
        return structs.replace(entry, value=Raw(encode(copy, what))), (copy, None)
    except UnstorableResult as error:
        refused = InvalidData(error.detail)
        return structs.replace(entry, value=NULL, error=describe_error(refused, call.name)), (None, refused)
