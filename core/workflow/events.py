"""Events as people see them who look after them: what went out, who got it, and another try for who did not."""

from datetime import datetime
from typing import Any, LiteralString

import msgspec
from msgspec import Raw

from ..container import Scope
from ..db import Transaction
from ..errors import NotFound
from ..ids import new_id
from .codec import ErrorData
from .engine import WorkflowEngine
from .errors import RunStateConflict

RETRIED = ("failed", "compensated", "cancelled")
"""States of a delivery in which nothing of it is left, so that it can be made anew."""

_LIST: LiteralString = """
SELECT id, name, data::text, run_id, emitted_at FROM outbox AS event
WHERE (%(name)s::text IS NULL OR name = %(name)s)
    AND (%(before)s::text IS NULL OR (emitted_at, id) < (SELECT emitted_at, id FROM outbox WHERE id = %(before)s))
    AND (NOT %(failed)s OR id IN (
        SELECT key FROM workflow_run WHERE starts_with(workflow, 'on:')
            AND status IN ('failed', 'compensated', 'cancelled', 'compensation_failed', 'nondeterministic')))
ORDER BY emitted_at DESC, id DESC LIMIT %(take)s"""
_DELIVERIES: LiteralString = """
SELECT key, workflow, id, status, created_at, finished_at, error::text FROM workflow_run
WHERE key = ANY(%s) AND starts_with(workflow, 'on:') ORDER BY workflow"""
_LOCK: LiteralString = """
SELECT id, workflow, status FROM workflow_run
WHERE key = %s AND starts_with(workflow, 'on:') ORDER BY id FOR UPDATE"""
# Locked first: who comes second sees what the first one has begun.
_KNOWN: LiteralString = "SELECT id FROM outbox WHERE id = %s FOR UPDATE"
# A journal is final: the old run gives its key up and stays as it is, until its time is over.
_GIVE_UP_KEY: LiteralString = "UPDATE workflow_run SET key = NULL WHERE id = %s"
_ANEW: LiteralString = """
INSERT INTO workflow_run (id, workflow, version, key, subject, status, input_hash, input, context, entries, created_at)
SELECT %(id)s, workflow, %(version)s, %(event)s, subject, 'queued', input_hash, input, context, '[]', %(now)s
FROM workflow_run WHERE id = %(old)s"""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An event on its way to one subscriber: a run of its own. Times are UTC."""

    subscriber: str
    run_id: str
    status: str
    created_at: datetime
    finished_at: datetime | None
    error: ErrorData | None


class EventSummary(msgspec.Struct, frozen=True, kw_only=True):
    """An event that went out, and its deliveries as far as their runs are still kept. Times are UTC."""

    id: str
    name: str
    data: Raw
    run_id: str | None
    emitted_at: datetime
    deliveries: list[Delivery]


class Events:
    """Looks at events and acts on their deliveries; what writes joins the scope's transaction or has its own."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._engine = scope.resolve(WorkflowEngine)

    async def list(
        self, *, name: str | None = None, failed: bool = False, before: str | None = None, take: int = 50
    ) -> list[EventSummary]:
        """Return the latest events first: those older than event `before`, only those with a `failed` delivery."""
        values = {"name": name, "failed": failed, "before": before, "take": take}
        rows = await self._scope.session.sql(_LIST, values)
        deliveries: dict[str, Any] = {row[0]: [] for row in rows}
        for key, workflow, *rest in await self._scope.session.sql(_DELIVERIES, ([*deliveries],)):
            deliveries[key].append(_delivery(workflow, rest))
        return [
            EventSummary(
                id=id, name=name, data=Raw(data.encode()), run_id=run_id, emitted_at=at, deliveries=deliveries[id]
            )
            for id, name, data, run_id, at in rows
        ]

    async def retry(self, event_id: str, *, subscriber: str | None = None) -> dict[str, str]:
        """Deliver an event anew to whom it could not be delivered, or to one of them; return the runs by subscriber.

        Raises `NotFound` for an unknown event or subscriber, `RunStateConflict` if there is nothing to deliver anew.
        """
        # What cannot be an id may be what no statement can carry.
        if not event_id.isascii() or not event_id.isprintable():
            raise _no_event(event_id)
        async with self._scope.transaction() as transaction:
            if not await transaction.sql(_KNOWN, (event_id,)):
                raise _no_event(event_id)
            rows = await transaction.sql(_LOCK, (event_id,))
            wanted = {_subscriber(row[1]): row for row in rows}
            if subscriber is not None:
                wanted = {id: row for id, row in wanted.items() if id == subscriber}
            if subscriber is not None and not wanted:
                raise NotFound(f"event {event_id} was not for a subscriber {subscriber!r:.80}")
            failed = {id: row for id, row in wanted.items() if row[2] in RETRIED}
            if not failed:
                raise RunStateConflict(_nothing_to_retry(event_id, {id: row[2] for id, row in wanted.items()}))
            return {id: await self._anew(transaction, event_id, row[0], row[1]) for id, row in failed.items()}

    async def _anew(self, transaction: Transaction, event_id: str, old: str, workflow: str) -> str:
        versions = [version for id, version in self._engine.registry.definitions if id == workflow]
        if not versions:
            raise NotFound(f"this application has no subscriber {_subscriber(workflow)!r}")
        run_id = new_id("run")
        await transaction.sql(_GIVE_UP_KEY, (old,))
        values = {"id": run_id, "version": max(versions), "event": event_id, "old": old}
        await transaction.sql(_ANEW, {**values, "now": self._scope.clock.now()})
        transaction.on_commit(lambda: self._engine.dispatch([run_id]))
        return run_id


def _delivery(workflow: str, row: Any) -> Delivery:
    run_id, status, created_at, finished_at, error = row
    return Delivery(
        subscriber=_subscriber(workflow),
        run_id=run_id,
        status=status,
        created_at=created_at,
        finished_at=finished_at,
        error=None if error is None else msgspec.json.decode(error, type=ErrorData),
    )


def _subscriber(workflow: str) -> str:
    """Return the id of the subscriber that `on:<event>:<subscriber>` is for."""
    return workflow.rpartition(":")[2]  # an event may have a colon in its name, a subscriber has none


def _no_event(event_id: str) -> NotFound:
    return NotFound(f"there is no event {event_id!r:.80}")


def _nothing_to_retry(event_id: str, states: dict[str, str]) -> str:
    said = ", ".join(f"{id} is {status}" for id, status in states.items()) or "it has no subscriber"
    return f"no delivery of event {event_id} is to be retried: {said}"
