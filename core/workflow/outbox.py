"""The outbox: events become rows, with a queued run for each subscriber, in the transaction that makes them true.

An event that a step emits is part of its journal entry; the flush that ends the run well releases it. So the events of
a run that was undone never exist, and those of a finished one always do.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, LiteralString, TypeVar

import msgspec
from msgspec import Raw

from ..container import Container, Outlet
from ..db import Transaction
from ..ids import new_id
from .codec import encode, hash_of
from .definition import Definition
from .journal import Emitted

T = TypeVar("T")

# What another transaction is about to do with the same event is waited for.
_RELEASE: LiteralString = """
WITH event AS (
    INSERT INTO outbox (id, name, data, run_id, emitted_at)
    SELECT * FROM jsonb_to_recordset(%(events)s::jsonb)
        AS event (id text, name text, data jsonb, run_id text, emitted_at timestamptz)
    ON CONFLICT (id) DO NOTHING)
INSERT INTO workflow_run (id, workflow, version, key, status, input_hash, input, context, entries, created_at)
SELECT id, workflow, version, key, 'queued', decode(input_hash, 'hex'), input, %(context)s::jsonb, '[]', %(now)s
FROM jsonb_to_recordset(%(deliveries)s::jsonb)
    AS delivery (id text, workflow text, version integer, key text, input_hash text, input jsonb)
ON CONFLICT (workflow, key) DO NOTHING RETURNING id"""


class Event(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Something that has happened. `id` is the same at every delivery; `emitted_at` is UTC."""

    id: str
    name: str
    """In the past tense: `booking.confirmed`."""
    data: T
    run_id: str | None
    """The run whose step emitted it."""
    emitted_at: datetime


class Outbox(Outlet):
    """Writes events and their deliveries. `dispatch` is told of new queued runs once they have committed."""

    def __init__(
        self,
        container: Container,
        subscriptions: Mapping[str, Mapping[str, Definition[Any, Any]]],
        dispatch: Callable[[Sequence[str]], None],
    ) -> None:
        self._container = container
        self._subscriptions = subscriptions
        self._dispatch = dispatch

    async def emit(self, transaction: Transaction, context: Mapping[str, str], name: str, data: object) -> str:
        """Emit an event that no run is about; returns its id."""
        value = Raw(encode(data, f"event {name!r}"))
        now = self._container.clock.now()
        event = Event(id=new_id("evt"), name=name, data=value, run_id=None, emitted_at=now)
        await self._release(transaction, context, [event])
        return event.id

    async def release(
        self,
        transaction: Transaction,
        context: Mapping[str, str],
        run_id: str,
        emitted: Mapping[str, Sequence[Emitted]],
    ) -> None:
        """Release what steps have emitted, given by their paths."""
        now = self._container.clock.now()
        events = [
            Event(id=f"{run_id}:{path}:{each.number}", name=each.name, data=each.data, run_id=run_id, emitted_at=now)
            for path, events in emitted.items()
            for each in events
        ]
        await self._release(transaction, context, events)

    async def _release(
        self, transaction: Transaction, context: Mapping[str, str], events: Sequence[Event[Raw]]
    ) -> None:
        deliveries = [
            _delivery(event, to) for event in events for to in self._subscriptions.get(event.name, {}).values()
        ]
        values = {
            "events": msgspec.json.encode(events).decode(),
            "deliveries": msgspec.json.encode(deliveries).decode(),
            "context": msgspec.json.encode(context).decode(),
            "now": self._container.clock.now(),
        }
        queued = [id for (id,) in await transaction.sql(_RELEASE, values)]
        if queued:
            transaction.on_commit(lambda: self._dispatch(queued))


def _delivery(event: Event[Raw], to: Definition[Any, Any]) -> dict[str, Any]:
    given = encode(event, f"event {event.name!r}")
    return {
        "id": new_id("run"),
        "workflow": to.id,
        "version": to.version,
        "key": event.id,
        "input_hash": hash_of(given).hex(),
        "input": Raw(given),
    }
