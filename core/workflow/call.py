"""Engine calls, and the body that makes them.

A body is a coroutine that the engine drives with `send`: awaiting a call hands the call to the driver, which sends
the result back. While a body runs there is no current asyncio task, so nothing else can be awaited by mistake.
"""

import asyncio
from collections.abc import Coroutine, Generator
from types import CodeType, FrameType
from typing import Any, Generic, TypeVar, cast

from .errors import CallNotAwaited, ForeignAwait, StepOutsideBody

R_co = TypeVar("R_co", covariant=True)


class Call(Generic[R_co]):
    """One engine call: awaitable once, in a body, and not a coroutine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._awaited = False
        if Body.running is not None:
            Body.running.made[id(self)] = self

    def __await__(self) -> Generator["Call[Any]", Any, R_co]:
        """Hand this call to the driver of the running body; raises `StepOutsideBody`."""
        body = Body.running
        if body is None:
            raise StepOutsideBody(f"{self.name} was awaited outside of a workflow body")
        if self._awaited:
            raise StepOutsideBody(f"{self.name} was awaited a second time")
        self._awaited = True
        body.made.pop(id(self), None)
        return (yield self)


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
        place = _innermost_place(self._coroutine)
        # Closed, not thrown into: the body's own `except` must not swallow this.
        self.close()
        raise ForeignAwait(f"{place} awaits {type(call).__name__}: a workflow body awaits engine calls only")

    def _step(self, value: Any, error: BaseException | None) -> Any:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        if task is not None:
            asyncio.tasks._leave_task(loop, task)
        Body.running = self
        try:
            return self._coroutine.send(value) if error is None else self._coroutine.throw(error)
        finally:
            Body.running = None
            if task is not None:
                asyncio.tasks._enter_task(loop, task)

    def check_all_awaited(self) -> None:
        """Raise `CallNotAwaited` if a call was made and dropped."""
        if self.made:
            names = ", ".join(call.name for call in self.made.values())
            raise CallNotAwaited(f"called but not awaited: {names}")

    def close(self) -> None:
        """Drop the coroutine: its `finally` blocks run, engine calls in them are refused."""
        try:
            self._coroutine.close()
        except StepOutsideBody:
            return


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
