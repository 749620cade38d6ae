"""The outbox: events become rows, with a queued run for each subscriber, in the transaction that makes them true.

An event that a step emits is part of its journal entry; the flush that ends the run well releases it. So the events of
a run that was undone never exist, and those of a finished one always do.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, LiteralString, TypeVar

import msgspec
from msgspec import Raw, structs

from ..container import Container, Outlet
from ..db import Transaction
from ..ids import new_id
from .codec import encode, hash_of
from .definition import Definition
from .journal import RELEASE, Emitted, Release

T = TypeVar("T")

_EMIT: LiteralString = f"WITH {RELEASE} SELECT 1"


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
        encode(name, f"the name of event {name!r}")
        value = Raw(encode(data, f"event {name!r}"))
        event = Event(id=new_id("evt"), name=name, data=value, run_id=None, emitted_at=self._container.clock.now())
        released = self._released(context, [(event, True)])
        await transaction.sql(_EMIT, released.values)
        self.send(transaction, released)
        return event.id

    def release(self, context: Mapping[str, str], run_id: str, emitted: Mapping[str, Sequence[Emitted]]) -> Release:
        """Return what a flush has to write to release what steps have emitted, given by their paths."""
        now = self._container.clock.now()

        def event(path: str, each: Emitted) -> Event[Raw]:
            id = f"{run_id}:{path}:{each.number}"
            return Event(id=id, name=each.name, data=each.data, run_id=run_id, emitted_at=now)

        events = [(event(path, each), each.at_once) for path, events in emitted.items() for each in events]
        return self._released(context, events)

    def send(self, transaction: Transaction, released: Release) -> None:
        """Have the workers told of the deliveries once `transaction` has committed."""
        if released.run_ids:
            transaction.on_commit(lambda: self._dispatch(released.run_ids))

    def _released(self, context: Mapping[str, str], events: Sequence[tuple[Event[Raw], bool]]) -> Release:
        deliveries = [
            _delivery(event, to) | {"at_once": at_once}
            for event, at_once in events
            for to in self._subscriptions.get(event.name, {}).values()
        ]
        values = {
            "events": msgspec.json.encode([{**structs.asdict(event), "at_once": at} for event, at in events]).decode(),
            "deliveries": msgspec.json.encode(deliveries).decode(),
            "context": msgspec.json.encode(context).decode(),
            "now": self._container.clock.now(),
        }
        return Release(values=values, run_ids=[str(delivery["id"]) for delivery in deliveries])


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
