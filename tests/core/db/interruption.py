"""A task that is cancelled at one of its awaits, exactly."""

import asyncio
from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any


class Interrupted(Coroutine[Any, Any, object]):
    """A coroutine that cancels its task at the given suspension; `suspensions` counts them."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], at: int) -> None:
        self._coroutine = coroutine
        self._at = at
        self.suspensions = 0

    def __await__(self) -> Generator[Any, Any, object]:
        raise TypeError("this one is for a task of its own")

    def send(self, value: Any) -> Any:
        """Go on to the next suspension."""
        return self._counted(self._coroutine.send(value))

    def throw(self, typ: Any, val: Any = None, tb: TracebackType | None = None) -> Any:
        """Go on to the next suspension with an exception."""
        return self._counted(self._coroutine.throw(typ if val is None else val))

    def close(self) -> None:
        """End it here."""
        self._coroutine.close()

    def _counted(self, awaited: object) -> object:
        self.suspensions += 1
        task = asyncio.current_task()
        if self.suspensions == self._at and task is not None:
            task.cancel()
        return awaited


async def cancelled_at(coroutine: Coroutine[Any, Any, object], at: int) -> bool:
    """Run a coroutine, cancelled at its `at`-th suspension; tell whether it came so far."""
    interrupted = Interrupted(coroutine, at)
    await asyncio.gather(asyncio.create_task(interrupted), return_exceptions=True)
    return interrupted.suspensions >= at
