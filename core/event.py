"""Events: what has happened, told to whoever subscribes, once the run that says so has ended well."""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Generic, TypeVar, get_type_hints

from .errors import ConfigurationError, HoldfastError
from .workflow import Retry, Workflow, sleep
from .workflow.call import Call
from .workflow.definition import WEEK, check_handler
from .workflow.errors import PermanentFailure
from .workflow.outbox import Event
from .workflow.values import ValueCall

T = TypeVar("T")

DELIVERY = Retry(attempts=5, backoff=timedelta(seconds=10))
"""How often a delivery is tried anew; the run sleeps in between."""

__all__ = ["DELIVERY", "Event", "Subscription", "subscriber"]


class Subscription(Workflow[Event[T], None], Generic[T]):
    """A subscriber: a workflow for one event; each delivery is a run of it, keyed by the event's id."""

    def __init__(self, event: str, id: str, handler: Workflow[Event[T], None], retry: Retry) -> None:
        async def deliver(event: Event[T]) -> None:
            attempts = 1
            while True:
                try:
                    return await handler(event)
                except HoldfastError as error:
                    if isinstance(error, PermanentFailure):
                        raise
                    pause = await _pause(retry, attempts)
                    if pause is None:
                        raise
                await sleep(pause)
                attempts += 1

        deliver.__annotations__ = handler.body.__annotations__
        deliver.__doc__ = handler.__doc__
        super().__init__(f"on:{event}:{id}", deliver, version=handler.version, retention=handler.retention)
        self.event = event
        self.handler = handler


def _pause(retry: Retry, attempts: int) -> Call[timedelta | None]:
    """Return how long to wait for the next try, if there is one: what has been decided once stays, whatever changes."""
    optional: Any = timedelta | None
    return ValueCall("pause", optional, lambda _clock: retry.delay(attempts) if attempts < retry.attempts else None)


def subscriber(
    event: str, /, *, id: str, version: int = 1, retry: Retry = DELIVERY, retention: timedelta = WEEK
) -> Callable[[Callable[[Event[T]], Coroutine[Any, Any, None]]], Subscription[T]]:
    """Have an async function called for every `event`; it is the body of a workflow and awaits steps.

    `@subscriber("booking.confirmed", id="send-confirmation")`. A failed delivery is undone and tried again as `retry`
    says, without the other subscribers taking notice; then its run is `failed` or `compensated`, to be seen by
    `holdfast events list --failed`. Another `retry` counts from the next failure on, also for deliveries under way. The
    function takes one `Event[T]`, T being the type of the event's data. Raises `ConfigurationError`.
    """

    def decorate(body: Callable[[Event[T]], Coroutine[Any, Any, None]]) -> Subscription[T]:
        check_handler("subscriber", id, body)
        if not any(hint.__name__ == "Event" for hint in get_type_hints(body).values() if hasattr(hint, "__name__")):
            raise ConfigurationError(f"subscriber {id} takes one Event[...]")
        return Subscription(event, id, Workflow(id, body, version=version, retention=retention), retry)

    return decorate
