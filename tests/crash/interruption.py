"""Cancelling a task at any of its await points."""

import asyncio
from collections.abc import Awaitable, Coroutine, Generator
from contextvars import ContextVar
from itertools import count
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Interrupted(Awaitable[T], Generic[T]):
    """What a coroutine is, but that its task is cancelled at the await point of that number."""

    def __init__(self, call: Coroutine[Any, Any, T], at: int) -> None:
        self._call = call
        self._at = at
        self.hit = False
        """Whether the coroutine came so far."""

    def __await__(self) -> Generator[Any, None, T]:
        error: BaseException | None = None
        for number in count(1):
            try:
                waited = self._call.send(None) if error is None else self._call.throw(error)
            except StopIteration as stop:
                return stop.value
            if number == self._at:
                self.hit = True
                _current().cancel()
            try:
                yield waited
                error = None
            except BaseException as thrown:  # noqa: BLE001, passed on
                error = thrown
        raise RuntimeError("a coroutine ends")


class Kill:
    """The cancellation of the task that drives a run, once."""

    wanted: ContextVar["Kill | None"] = ContextVar("wanted", default=None)
    """That of the run which is started next in this context."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.hit = False
        self.used = False


def make_task(loop: asyncio.AbstractEventLoop, call: Any, **options: Any) -> "asyncio.Task[Any]":
    """A task factory that has drivers of runs cancelled where `Kill.wanted` says."""
    return asyncio.Task(_watched(call), loop=loop, **options)


async def _watched(call: Coroutine[Any, Any, T]) -> T:
    kill = Kill.wanted.get()
    if kill is None or kill.used or not _current().get_name().startswith("run_"):
        return await call
    kill.used = True
    interrupted = Interrupted(call, kill.at)
    try:
        return await interrupted
    finally:
        kill.hit = interrupted.hit


def _current() -> "asyncio.Task[Any]":
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("there is no task to cancel")
    return task
