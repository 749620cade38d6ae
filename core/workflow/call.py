"""Engine calls, and the body that makes them.

A body is a coroutine that the engine drives with `send`: awaiting a call hands the call to the driver, which sends
the result back. While a body runs there is no current asyncio task, so nothing else can be awaited by mistake.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import cached_property
from types import CodeType, FrameType
from typing import Any, Generic, ParamSpec, TypeVar, cast

import msgspec
import structlog

from .codec import encode
from .errors import CallNotAwaited, ForeignAwait, StepOutsideBody

R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")
P = ParamSpec("P")

CLOSE_ATTEMPTS = 10
"""A body that awaits something foreign in each of this many nested `finally` blocks is given up."""

log = structlog.get_logger("holdfast.workflow")


class Call(Generic[R_co]):
    """One engine call: awaitable once, in a body, and not a coroutine."""

    nested = ""
    """How the paths of journal entries that belong to this call continue after its own path."""

    def __init__(self, name: str, arguments: object = None) -> None:
        self.name = name
        self.arguments = arguments
        self._awaited = False
        if Body.running is not None:
            Body.running.made[id(self)] = self

    def __await__(self) -> Generator["Call[Any]", Any, R_co]:
        """Hand this call to the driver of the running body; raises `StepOutsideBody`."""
        body = Body.running
        if body is None:
            raise StepOutsideBody(f"{self.name} was awaited outside of a workflow body")
        self.take()
        return (yield self)

    @cached_property
    def given(self) -> bytes:
        """The encoded input of the call; raises `UnstorableResult`."""
        return encode(self.arguments, f"the input of {self.name}")

    def check(self) -> None:
        """Raise what is wrong with the input."""
        _ = self.given

    def take(self) -> None:
        """Mark the call as used, by an await or as a branch of a `parallel`; raises `StepOutsideBody`."""
        if self._awaited:
            raise StepOutsideBody(f"{self.name} was awaited a second time")
        self._awaited = True
        if Body.running is not None:
            Body.running.made.pop(id(self), None)


class Line(msgspec.Struct, frozen=True):
    """What a body logged."""

    level: str
    event: str
    fields: dict[str, Any]


class Finished:
    """The body returned `value`."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Body:
    """Drives one coroutine from engine call to engine call."""

    # A global and not a context variable: tasks that a body starts must not inherit it.
    running: "Body | None" = None

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self.made: dict[int, Call[Any]] = {}
        self.lines: list[Line] = []
        """What the body has logged since it went on last."""

    def advance(self, value: Any, error: BaseException | None) -> "Call[Any] | Finished":
        """Send a value or an error in, run to the next call or the end.

        Raises whatever the body raises, and `ForeignAwait` when it waits for anything but an engine call.
        """
        try:
            call = self._step(value, error)
        except StopIteration as stop:
            return Finished(stop.value)
        if isinstance(call, Call):
            return cast("Call[Any]", call)
        what = f"{_innermost_place(self._coroutine)} awaits {type(call).__name__}"
        # Closed, not thrown into: the body's own `except` must not swallow this.
        self.close()
        if isinstance(call, asyncio.Future):
            cast("asyncio.Future[Any]", call).cancel()
        raise ForeignAwait(f"{what}: a workflow body awaits engine calls only")

    def _step(self, value: Any, error: BaseException | None) -> object:
        Body.running = self
        self.lines = []
        try:
            if error is None:
                return _without_task(self._coroutine.send, value)
            return _without_task(self._coroutine.throw, error)
        finally:
            Body.running = None

    def check_all_awaited(self) -> None:
        """Raise `CallNotAwaited` if a call was made and dropped."""
        if self.made:
            names = ", ".join(call.name for call in self.made.values())
            raise CallNotAwaited(f"called but not awaited: {names}")

    def close(self) -> None:
        """Drop the coroutine: its `finally` blocks run, engine calls in them are refused, their errors are logged."""
        for _ in range(CLOSE_ATTEMPTS):
            try:
                _without_task(self._coroutine.close)
                return
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001, whatever a `finally` block raises
                log.warning("body_closed_badly", error=repr(error))


def _without_task(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a piece of a body: while it runs there is no current task."""
    task = asyncio.current_task()
    if task is None:
        return call(*args, **kwargs)
    loop = asyncio.get_running_loop()
    asyncio.tasks._leave_task(loop, task)
    try:
        return call(*args, **kwargs)
    finally:
        asyncio.tasks._enter_task(loop, task)


def _innermost_place(coroutine: Coroutine[Any, Any, Any]) -> str:
    """Return `file:line` of the deepest frame of the body that is not asyncio's own."""
    place = "the body"
    awaited: Any = coroutine
    while awaited is not None:
        frame: FrameType | None = getattr(awaited, "cr_frame", None)
        if frame is not None and not _is_asyncio(frame.f_code):
            place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        awaited = getattr(awaited, "cr_await", None)
    return place


def _is_asyncio(code: CodeType) -> bool:
    return f"{asyncio.__name__}/" in code.co_filename.replace("\\", "/")
