"""Signals: what others tell a run, kept until its body waits for it."""

from datetime import datetime
from typing import LiteralString

import msgspec
from msgspec import Raw

from ..db import Session, Transaction
from ..errors import HoldfastError
from .codec import ErrorData, canonical, encode, error_data
from .errors import RunNotWaiting
from .journal import ENDED, NULL

# One statement locks the row that a run on its way into a wait has locked, or will: none of the two misses the other.
# A signal that a run sends itself locks nothing: a run that drives a step does not wait, and its own flushes would.
_SEND: LiteralString = """
WITH run AS (
    UPDATE workflow_run SET due_at = CASE WHEN status = 'waiting' THEN least(due_at, %(now)s) ELSE due_at END
    WHERE id = %(run_id)s AND id <> %(sender)s AND status <> ALL(%(ended)s) RETURNING id),
left_one AS (
    INSERT INTO workflow_signal (run_id, name, signal_id, value, error, created_at)
    SELECT %(run_id)s, %(name)s, %(id)s, %(value)s::jsonb, %(error)s::jsonb, %(now)s
    WHERE %(run_id)s = %(sender)s OR EXISTS (SELECT FROM run)
    ON CONFLICT ON CONSTRAINT "UQ_workflow_signal_run_name_id" DO NOTHING)
SELECT %(run_id)s = %(sender)s OR EXISTS (SELECT FROM run)"""
_STATUS: LiteralString = "SELECT status FROM workflow_run WHERE id = %s"
_LOCK: LiteralString = "SELECT id FROM workflow_run WHERE id = %s FOR UPDATE"
_ARRIVED: LiteralString = """
SELECT name FROM workflow_signal WHERE run_id = %s AND name = ANY(%s) AND NOT taken LIMIT 1"""
# What is taken stays until the run goes, so that a repetition with the same id is known.
_TAKE: LiteralString = """
UPDATE workflow_signal SET taken = true WHERE id = (
    SELECT id FROM workflow_signal WHERE run_id = %s AND name = %s AND NOT taken
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING value::text, error::text"""


class Signal(msgspec.Struct, frozen=True):
    """What a wait ends with: an encoded value, or an error."""

    value: bytes
    error: ErrorData | None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is told: of two with the same name and id only the first counts."""

    run_id: str
    name: str
    id: str | None
    value: Raw
    error: ErrorData | None = None


def message(run_id: str, name: str, value: object, id: str | None) -> Message:
    """Make a message with a value; raises `UnstorableResult`."""
    encode([name, id], "the name and id of a signal")
    return Message(run_id=run_id, name=name, id=id, value=Raw(encode(value, f"signal {name!r}")))


def failure_message(run_id: str, name: str, error: HoldfastError, id: str | None) -> Message:
    """Make a message that what is waited for has failed; raises `UnstorableResult`."""
    encode([name, id], "the name and id of a signal")
    data = error_data(error, f"signal {name!r}")
    return Message(run_id=run_id, name=name, id=id, value=NULL, error=data)


async def send_message(session: Session, message: Message, now: datetime, *, sender: str = "") -> None:
    """Leave a signal for a run and wake it; raises `RunNotWaiting` when it has ended, or never was."""
    values = {
        "run_id": message.run_id,
        "sender": sender,
        "name": message.name,
        "id": message.id,
        "value": bytes(message.value).decode(),
        "error": None if message.error is None else msgspec.json.encode(message.error).decode(),
        "now": now,
        "ended": [*ENDED],
    }
    [(is_left,)] = await session.writable("signal").sql(_SEND, values)
    if not is_left:
        rows = await session.sql(_STATUS, (message.run_id,))
        state = rows[0][0] if rows else "unknown"
        raise RunNotWaiting(f"run {message.run_id} is {state}: it waits for nothing", status=state)


async def has_arrived(transaction: Transaction, run_id: str, names: list[str]) -> bool:
    """Tell whether one of the signals is there; until `transaction` ends no other one can come in unseen."""
    await transaction.sql(_LOCK, (run_id,))
    return bool(await transaction.sql(_ARRIVED, (run_id, names)))


async def is_there(session: Session, run_id: str, name: str) -> bool:
    """Tell whether a signal is there at this moment."""
    return bool(await session.sql(_ARRIVED, (run_id, [name])))


async def take_signal(transaction: Transaction, run_id: str, name: str) -> Signal | None:
    """Take the oldest signal of that name away, if there is one."""
    rows = await transaction.sql(_TAKE, (run_id, name))
    if not rows:
        return None
    value, error = rows[0]
    return Signal(canonical(value), None if error is None else msgspec.json.decode(error, type=ErrorData))
