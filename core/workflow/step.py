"""Steps: the only places of a workflow where something happens."""

from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import (
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from ..errors import ConfigurationError
from .call import Call
from .context import StepContext

P = ParamSpec("P")
R = TypeVar("R")
U = TypeVar("U")
T = TypeVar("T")

Compensation = Callable[[StepContext, U], Coroutine[Any, Any, None]]
Kind = Literal["transactional", "read"]

STEP_ATTEMPTS = 5
"""Immediate attempts of a transactional step or undo on a serialization failure or a deadlock."""


class StepResponse(Generic[R, U]):
    """A step's value, and what its compensation will be given."""

    def __init__(self, value: R, compensate_with: U) -> None:
        self.value = value
        self.compensate_with = compensate_with


class StepCall(Call[R]):
    """A step called with arguments, not yet run."""

    def __init__(self, step: "AnyStep[..., R, Any]", args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__(f"step {step.id}")
        self.step = step
        self.args = args
        self.kwargs = kwargs


class AnyStep(Generic[P, R, U]):
    """What all kinds of step have in common: calling one makes a call to be awaited in a body."""

    kind: Kind = "transactional"

    def __init__(self, id: str, fn: Callable[..., Coroutine[Any, Any, R | StepResponse[R, U]]]) -> None:
        self.id = id
        self.fn = fn
        self.undo: Compensation[Any] | None = None
        self.__doc__ = fn.__doc__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Make the call; it takes effect when the body awaits it."""
        return StepCall(self, args, kwargs)

    @cached_property
    def types(self) -> tuple[Any, Any]:
        """The types of the value and of the undo argument, from the annotation; to decode stored results."""
        result = return_type(self.fn, f"step {self.id}")
        if get_origin(result) is StepResponse:
            value, undo = get_args(result)
            return value, undo
        return result, result


class Step(AnyStep[P, R, U]):
    """A transactional step: what it writes commits together with its journal entry, exactly once."""

    def compensate(self, fn: Compensation[U]) -> Compensation[U]:
        """Undo this step by `fn(ctx, compensate_with)` when a later part of the run fails."""
        if self.undo is not None:
            raise ConfigurationError(f"step {self.id} has a compensation already")
        self.undo = fn
        return fn


class ReadStep(AnyStep[P, R, None]):
    """A step that only reads: it has no transaction, and nothing to compensate."""

    kind = "read"


class StepDecorator:
    """What `@step(id)` returns."""

    def __init__(self, id: str) -> None:
        self._id = id

    @overload
    def __call__(
        self, fn: Callable[Concatenate[StepContext, P], Coroutine[Any, Any, StepResponse[R, U]]], /
    ) -> Step[P, R, U]: ...
    @overload
    def __call__(self, fn: Callable[Concatenate[StepContext, P], Coroutine[Any, Any, R]], /) -> Step[P, R, R]: ...
    def __call__(self, fn: Callable[..., Coroutine[Any, Any, Any]], /) -> Step[..., Any, Any]:
        """Make `fn` a transactional step."""
        return Step(self._id, fn)


class ReadDecorator:
    """What `@step(id, read=True)` returns."""

    def __init__(self, id: str) -> None:
        self._id = id

    def __call__(self, fn: Callable[Concatenate[StepContext, P], Coroutine[Any, Any, R]], /) -> ReadStep[P, R]:
        """Make `fn` a read step."""
        return ReadStep(self._id, fn)


@overload
def step(id: str, /, *, read: Literal[True]) -> ReadDecorator: ...
@overload
def step(id: str, /) -> StepDecorator: ...
def step(id: str, /, *, read: bool = False) -> StepDecorator | ReadDecorator:
    """Make an async function a step: `@step("create-order") async def create_order(ctx: StepContext, ...)`.

    A step that returns a plain value has that value as the argument of its compensation.
    """
    return ReadDecorator(id) if read else StepDecorator(id)


def return_type(fn: Callable[..., Any], what: str) -> Any:
    """Return the resolved annotation of what `fn` returns; `ConfigurationError` if it has none."""
    hints = get_type_hints(fn)
    if "return" not in hints:
        raise ConfigurationError(f"{what} needs a return annotation, so that its result can be read back")
    return hints["return"]
