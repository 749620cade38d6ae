"""Steps: the only places of a workflow where something happens."""

import copy
from collections.abc import Callable, Coroutine, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import (
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    Self,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)
from uuid import UUID

from msgspec import Raw, Struct

from ..errors import ConfigurationError
from .call import Call
from .codec import text_of
from .context import StepContext
from .retry import TRANSIENT, Retry
from .secret import check_no_secrets

P = ParamSpec("P")
R = TypeVar("R")
U = TypeVar("U")
T = TypeVar("T")

Compensation = Callable[[StepContext, U], Coroutine[Any, Any, None]]
Kind = Literal["transactional", "read", "external"]

EXTERNAL_RETRY = Retry()
EXTERNAL_TIMEOUT = timedelta(seconds=30)


class StepResponse(Generic[R, U]):
    """A step's value, and what its compensation will be given."""

    def __init__(self, value: R, compensate_with: U) -> None:
        self.value = value
        self.compensate_with = compensate_with


class StepCall(Call[R]):
    """A step called with arguments, not yet run."""

    def __init__(self, step: "AnyStep[..., R, Any]", args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__(f"step {step.id}", [args, kwargs])
        self.step = step
        self.args = args
        self.kwargs = kwargs
        self.nested = ":begun" if step.kind == "external" else ""

    def check(self) -> None:
        """Raise what is wrong with the call, before anything takes effect whose result could not be read back."""
        super().check()
        _ = self.step.types

    def own_arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments for one attempt, in a copy: neither the body nor another attempt sees it change."""
        if _cannot_change(self.args) and all(map(_cannot_change, self.kwargs.values())):
            return self.args, self.kwargs
        return copy.deepcopy((self.args, self.kwargs))


_ATOMS = frozenset({type(None), bool, int, float, str, bytes, Decimal, UUID, datetime, date, time, timedelta, Raw})


def _cannot_change(value: Any) -> bool:
    """Tell whether `value` can be passed without a copy; that it has a hash says nothing of what it holds."""
    if type(value) in _ATOMS or isinstance(value, Enum):
        return True
    if isinstance(value, tuple | frozenset):
        return all(map(_cannot_change, cast("Iterable[Any]", value)))
    if isinstance(value, Struct) and value.__struct_config__.frozen:
        return all(_cannot_change(getattr(value, name)) for name in value.__struct_fields__)
    return False


class AnyStep(Generic[P, R, U]):
    """What all kinds of step have in common: calling one makes a call to be awaited in a body."""

    kind: Kind = "transactional"
    retry = TRANSIENT
    timeout: timedelta | None = None

    def __init__(
        self,
        id: str,
        fn: Callable[..., Coroutine[Any, Any, R | StepResponse[R, U]]],
        retry: Retry | None = None,
        timeout: timedelta | None = None,
    ) -> None:
        self.id = id
        self.fn = fn
        self.origin = self
        """The step as it was defined; options make copies of it."""
        self._undo: Compensation[Any] | None = None
        self._set(retry, timeout)
        self.__doc__ = fn.__doc__
        check_no_secrets(fn, f"step {id}")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Make the call; it takes effect when the body awaits it."""
        return StepCall(self, args, kwargs)

    def with_options(self, *, retry: Retry | None = None, timeout: timedelta | None = None) -> Self:
        """Return this step with other options: `await charge.with_options(timeout=...)(order)`."""
        changed = copy.copy(self)
        changed._set(retry, timeout)
        return changed

    def _set(self, retry: Retry | None, timeout: timedelta | None) -> None:
        if retry is not None:
            self.retry = retry
        if timeout is not None:
            self.timeout = timeout

    @property
    def undo(self) -> Compensation[Any] | None:
        """The compensation, if there is one."""
        return self.origin._undo

    def _compensate_by(self, fn: Compensation[Any]) -> None:
        if self.origin._undo is not None:
            raise ConfigurationError(f"step {self.id} has a compensation already")
        self.origin._undo = fn

    @cached_property
    def types(self) -> tuple[Any, Any]:
        """The types of the value and of the undo argument, from the annotation; to decode stored results."""
        if self.origin is not self:
            return self.origin.types
        result = return_type(self.fn, f"step {self.id}")
        if get_origin(result) is StepResponse:
            value, undo = get_args(result)
            return value, undo
        return result, result


class Step(AnyStep[P, R, U]):
    """A transactional step: what it writes commits together with its journal entry, exactly once."""

    def compensate(self, fn: Compensation[U]) -> Compensation[U]:
        """Undo this step by `fn(ctx, compensate_with)` when a later part of the run fails."""
        self._compensate_by(fn)
        return fn


class ExternalStep(AnyStep[P, R, U]):
    """A step that acts on the outside: in no transaction, at least once, and always with the same `ctx.token`."""

    kind = "external"
    retry = EXTERNAL_RETRY
    timeout = EXTERNAL_TIMEOUT

    def compensate(self, fn: Compensation[U | None]) -> Compensation[U | None]:
        """Undo this step by `fn(ctx, compensate_with)` when a later part of the run fails.

        The argument is None when nobody knows whether the step took effect: then ask by `ctx.done_token`.
        """
        self._compensate_by(fn)
        return fn


class ReadStep(AnyStep[P, R, None]):
    """A step that only reads: it has no transaction, and nothing to compensate."""

    kind = "read"


class _Decorator:
    def __init__(self, id: str, retry: Retry | None, timeout: timedelta | None) -> None:
        self._options = (id, retry, timeout)


class StepDecorator(_Decorator):
    """What `@step(id)` returns."""

    @overload
    def __call__(
        self, fn: Callable[Concatenate[StepContext, P], Coroutine[Any, Any, StepResponse[R, U]]], /
    ) -> Step[P, R, U]: ...
    @overload
    def __call__(self, fn: Callable[Concatenate[StepContext, P], Coroutine[Any, Any, R]], /) -> Step[P, R, R]: ...
    def __call__(self, fn: Callable[..., Coroutine[Any, Any, Any]], /) -> Step[..., Any, Any]:
        """Make `fn` a transactional step."""
        id, retry, timeout = self._options
        return Step(id, fn, retry, timeout)


class ExternalDecorator(_Decorator):
    """What `@step(id, external=True)` returns."""

    @overload
    def __call__(
        self, fn: Callable[Concatenate[StepContext, P], Coroutine[Any, Any, StepResponse[R, U]]], /
    ) -> ExternalStep[P, R, U]: ...
    @overload
    def __call__(
        self, fn: Callable[Concatenate[StepContext, P], Coroutine[Any, Any, R]], /
    ) -> ExternalStep[P, R, R]: ...
    def __call__(self, fn: Callable[..., Coroutine[Any, Any, Any]], /) -> ExternalStep[..., Any, Any]:
        """Make `fn` an external step."""
        id, retry, timeout = self._options
        return ExternalStep(id, fn, retry, timeout)


class ReadDecorator(_Decorator):
    """What `@step(id, read=True)` returns."""

    def __call__(self, fn: Callable[Concatenate[StepContext, P], Coroutine[Any, Any, R]], /) -> ReadStep[P, R]:
        """Make `fn` a read step."""
        id, retry, timeout = self._options
        return ReadStep(id, fn, retry, timeout)


@overload
def step(
    id: str, /, *, external: Literal[True], retry: Retry | None = None, timeout: timedelta | None = None
) -> ExternalDecorator: ...
@overload
def step(id: str, /, *, read: Literal[True], timeout: timedelta | None = None) -> ReadDecorator: ...
@overload
def step(id: str, /, *, retry: Retry | None = None, timeout: timedelta | None = None) -> StepDecorator: ...
def step(
    id: str,
    /,
    *,
    external: bool = False,
    read: bool = False,
    retry: Retry | None = None,
    timeout: timedelta | None = None,
) -> StepDecorator | ReadDecorator | ExternalDecorator:
    """Make an async function a step: `@step("create-order") async def create_order(ctx: StepContext, ...)`.

    A step that returns a plain value has that value as the argument of its compensation. `timeout` limits each
    attempt: 30 s for an external step, else none. By default an external step is tried 5 times, a transactional one
    only after a serialization failure or a deadlock, at once and up to 5 times.
    """
    kind = ExternalDecorator if external else ReadDecorator if read else StepDecorator
    return kind(id, retry, timeout)


def return_type(fn: Callable[..., Any], what: str) -> Any:
    """Return the resolved annotation of what `fn` returns; `ConfigurationError` if it has none."""
    try:
        hints = get_type_hints(fn)
    except Exception as error:
        raise ConfigurationError(f"the annotations of {what} cannot be read: {text_of(error)}") from error
    if "return" not in hints:
        raise ConfigurationError(f"{what} needs a return annotation, so that its result can be read back")
    return hints["return"]
