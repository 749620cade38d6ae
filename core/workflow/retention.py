"""Retention: finished runs go when their time is over, whole, in batches."""

from datetime import UTC, datetime
from typing import LiteralString

from ..container import Scope
from .definition import WEEK
from .journal import ENDED

BATCH = 500
_OVER = [*ENDED - {"compensation_failed"}]
"""A run that still owes undos stays until somebody has seen to it."""
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
EVENTS_KEPT = WEEK
"""How long an event is kept, and longer while the run of one of its deliveries is."""

_PURGE: LiteralString = """
DELETE FROM workflow_run WHERE id IN (
    SELECT id FROM workflow_run WHERE expires_at <= %s AND status = ANY(%s)
    ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING id"""
_PURGE_EVENTS: LiteralString = """
DELETE FROM outbox WHERE id IN (
    SELECT id FROM outbox AS event WHERE emitted_at BETWEEN %s AND %s AND NOT EXISTS (
        SELECT FROM workflow_run WHERE key = event.id AND starts_with(workflow, 'on:'))
    ORDER BY emitted_at LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING emitted_at"""
_ERASE: LiteralString = """
DELETE FROM workflow_run WHERE subject = %s AND status = ANY(%s) RETURNING id"""


async def purge_finished(scope: Scope) -> int:
    """Delete the finished runs whose retention is over, each batch in its own transaction; return how many."""
    purged = 0
    while True:
        async with scope.transaction() as transaction:
            rows = await transaction.sql(_PURGE, (scope.clock.now(), _OVER, BATCH))
        purged += len(rows)
        if len(rows) < BATCH:
            return purged


async def purge_events(scope: Scope) -> int:
    """Delete old events of which no delivery is left, each batch in its own transaction; return how many."""
    purged, oldest = 0, LONG_AGO
    while True:
        async with scope.transaction() as transaction:
            rows = await transaction.sql(_PURGE_EVENTS, (oldest, scope.clock.now() - EVENTS_KEPT, BATCH))
        purged += len(rows)
        if len(rows) < BATCH:
            return purged
        # Not from the beginning again: events that deliveries still hold may be many.
        oldest = max(emitted_at for (emitted_at,) in rows)


async def erase_subject(scope: Scope, subject: str) -> int:
    """Delete the finished runs about a person, whatever their retention; return how many. Joins an open transaction."""
    async with scope.transaction() as transaction:
        return len(await transaction.sql(_ERASE, (subject, [*ENDED])))
