"""Hooks: places in a workflow where others put steps of their own."""

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar, overload

from ..errors import ConfigurationError
from .call import Call
from .context import StepContext
from .secret import check_no_secret
from .step import Step, StepResponse

D = TypeVar("D")
R = TypeVar("R")
U = TypeVar("U")


class HookCall(Call[None]):
    """A hook called with data: its handlers run one after the other."""

    nested = "."

    def __init__(self, hook: "Hook[Any]", data: object) -> None:
        super().__init__(f"hook {hook.id}", data)
        self.hook = hook
        self.data = data


class Hook(Generic[D]):
    """A named place with any number of ordered handlers, each a transactional step."""

    def __init__(self, id: str) -> None:
        self.id = id
        self._handlers: dict[str, tuple[int, Step[[D], Any, Any]]] = {}

    def __call__(self, data: D, /) -> Call[None]:
        """Make the call; the handlers run when the body awaits it, and the first failure reaches the body."""
        return HookCall(self, data)

    def handler(self, id: str, /, *, order: int = 0) -> "HandlerDecorator[D]":
        """Add a step to this hook: `@slot_held.handler("loyalty", order=10)`; the lowest order is called first."""
        return HandlerDecorator(self, id, order)

    def add(self, step: Step[[D], Any, Any], order: int) -> None:
        """Add a handler; raises `ConfigurationError` if its id is taken."""
        if step.id in self._handlers:
            raise ConfigurationError(f"two handlers of hook {self.id} have the id {step.id!r}")
        self._handlers[step.id] = (order, step)

    @property
    def handlers(self) -> dict[str, Step[[D], Any, Any]]:
        """The handlers by id in the order of their calls; of equal order, in that of their ids."""
        ordered = sorted(self._handlers.values(), key=lambda handler: (handler[0], handler[1].id))
        return {step.id: step for _, step in ordered}


class HandlerDecorator(Generic[D]):
    """What `@hook.handler(id)` returns."""

    def __init__(self, hook: Hook[D], id: str, order: int) -> None:
        self._hook = hook
        self._id = id
        self._order = order

    @overload
    def __call__(
        self, fn: Callable[[StepContext, D], Coroutine[Any, Any, StepResponse[R, U]]], /
    ) -> Step[[D], R, U]: ...
    @overload
    def __call__(self, fn: Callable[[StepContext, D], Coroutine[Any, Any, R]], /) -> Step[[D], R, R]: ...
    def __call__(self, fn: Callable[[StepContext, D], Coroutine[Any, Any, Any]], /) -> Step[[D], Any, Any]:
        """Make `fn` a transactional step and a handler."""
        step: Step[[D], Any, Any] = Step(self._id, fn)
        self._hook.add(step, self._order)
        return step


def hook(id: str, kind: type[D], /) -> Hook[D]:
    """Make a hook: `slot_held = hook("slot-held", Booking)`, and in a body `await slot_held(booking)`."""
    check_no_secret(kind, f"hook {id}", "its data")
    return Hook(id)
