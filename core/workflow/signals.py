"""Signals: what others tell a run, kept until its body waits for it."""

from datetime import datetime
from typing import LiteralString

import msgspec

from ..db import Session, Transaction
from .codec import ErrorData, canonical
from .errors import RunNotFound, RunStateConflict
from .journal import ENDED

# One statement locks the row that a run on its way into a wait has locked, or will: none of the two misses the other.
_SEND: LiteralString = """
WITH run AS (
    UPDATE workflow_run SET due_at = CASE WHEN status = 'waiting' THEN least(due_at, %(now)s) ELSE due_at END
    WHERE id = %(run_id)s AND status <> ALL(%(ended)s) RETURNING id)
INSERT INTO workflow_signal (run_id, name, value, error, created_at)
SELECT id, %(name)s, %(value)s::jsonb, %(error)s::jsonb, %(now)s FROM run RETURNING run_id"""
_STATUS: LiteralString = "SELECT status FROM workflow_run WHERE id = %s"
_LOCK: LiteralString = "SELECT id FROM workflow_run WHERE id = %s FOR UPDATE"
_ARRIVED: LiteralString = "SELECT name FROM workflow_signal WHERE run_id = %s AND name = ANY(%s) LIMIT 1"
_TAKE: LiteralString = """
DELETE FROM workflow_signal WHERE id = (
    SELECT id FROM workflow_signal WHERE run_id = %s AND name = %s ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING value::text, error::text"""


class Signal(msgspec.Struct, frozen=True):
    """What a wait ends with: an encoded value, or an error."""

    value: bytes
    error: ErrorData | None


async def send_signal(
    session: Session, run_id: str, name: str, value: bytes, error: ErrorData | None, now: datetime
) -> None:
    """Leave a signal for a run and wake it; raises `RunNotFound`, `RunStateConflict` when it has ended."""
    data = None if error is None else msgspec.json.encode(error).decode()
    values = {"run_id": run_id, "name": name, "value": value.decode(), "error": data, "now": now, "ended": [*ENDED]}
    if await session.writable("signal").sql(_SEND, values):
        return
    rows = await session.sql(_STATUS, (run_id,))
    if not rows:
        raise RunNotFound(f"there is no run {run_id}")
    raise RunStateConflict(f"run {run_id} is {rows[0][0]}: it waits for nothing any more", status=rows[0][0])


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
