"""What can be done to a run from outside: cancel it, try again, give it up."""

from datetime import datetime
from typing import LiteralString

from ..db import Transaction
from .errors import RunNotFound, RunStateConflict

# A finished or parked run becomes one that nobody drives, so that whoever claims it undoes it.
_CANCEL: LiteralString = """
UPDATE workflow_run SET cancel_requested = true, finished_at = NULL, expires_at = NULL, deaths = 0,
    status = CASE WHEN status IN ('done', 'nondeterministic') THEN 'running' ELSE status END,
    epoch = epoch + (status IN ('done', 'nondeterministic'))::integer,
    due_at = CASE WHEN owner IS NULL THEN %(now)s ELSE due_at END
WHERE id = %(id)s AND status IN ('queued', 'running', 'waiting', 'done', 'nondeterministic')
RETURNING status"""

_RETRY: LiteralString = """
UPDATE workflow_run SET due_at = %(now)s, finished_at = NULL, expires_at = NULL, epoch = epoch + 1, deaths = 0,
    status = %(status)s
WHERE id = %(id)s"""
_RETRIED = {
    "queued": "queued",
    "waiting": "waiting",
    "compensating": "compensating",
    "compensation_failed": "compensating",
    "nondeterministic": "running",
}
"""What becomes of a run in each state in which it can be tried again."""

# Undos whose next attempt is due later start over, at once; those that failed for good too if that ended the run.
_FORGET_ATTEMPTS: LiteralString = """
WITH settled AS (
    SELECT path FROM workflow_step
    WHERE run_id = %(id)s AND entry ->> 'kind' = 'undo' AND (entry -> 'error' IS NULL OR NOT %(has_failed)s))
DELETE FROM workflow_step
WHERE run_id = %(id)s AND entry ->> 'kind' IN ('undo', 'undo-attempt')
    AND split_part(path, ':', 1) || ':undo' NOT IN (SELECT path FROM settled)"""

_STATUS: LiteralString = "SELECT status, owner FROM workflow_run WHERE id = %s FOR UPDATE"


async def cancel_run(transaction: Transaction, run_id: str, now: datetime) -> bool:
    """Have a run undone; False if it has been already, or is being undone.

    Raises `RunNotFound`, and `RunStateConflict` if it could not be undone.
    """
    if await transaction.sql(_CANCEL, {"id": run_id, "now": now}):
        return True
    status, _ = await status_of(transaction, run_id)
    if status == "compensation_failed":
        raise RunStateConflict(
            f"run {run_id} could not be undone: `retry` repeats the undos that failed", status=status
        )
    return False


async def retry_run(transaction: Transaction, run_id: str, now: datetime) -> None:
    """Have a run driven again that is parked, waits or could not be undone; of its undos only those that failed.

    Raises `RunNotFound`, `RunStateConflict`.
    """
    status, owner = await status_of(transaction, run_id)
    if status not in _RETRIED or owner is not None:
        driven = "" if owner is None else f" and driven by {owner}"
        raise RunStateConflict(f"run {run_id} is {status}{driven}: there is nothing to retry", status=status)
    values = {"id": run_id, "now": now, "status": _RETRIED[status], "has_failed": status == "compensation_failed"}
    await transaction.sql(_FORGET_ATTEMPTS, values)
    await transaction.sql(_RETRY, values)


async def status_of(transaction: Transaction, run_id: str) -> tuple[str, str | None]:
    """Return the state of a run and the process that drives it, and keep it so until the transaction ends."""
    rows = await transaction.sql(_STATUS, (run_id,))
    if not rows:
        raise RunNotFound(f"there is no run {run_id}")
    return rows[0][0], rows[0][1]
