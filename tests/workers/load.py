"""Orders that are started in the background while other things happen."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from core.app import Application
from core.db import as_busy
from core.errors import Busy
from core.workflow import Workflow

from .chaos.workflows import place_order
from .truth import until_all_finished, until_finished

AT_ONCE = 8
PAUSE_SECONDS = 0.05


async def start_all(app: Application, numbers: Iterable[int], workflow: Workflow[int, Any] = place_order) -> None:
    """Start an order for each number; again where the database was away, with the same key."""
    left = iter(numbers)

    async def clerk() -> None:
        for number in left:
            while not await _started(app, workflow, number):  # noqa: ASYNC110, a database that is away
                await asyncio.sleep(PAUSE_SECONDS)

    await asyncio.gather(*(clerk() for _ in range(AT_ONCE)))


async def _started(app: Application, workflow: Workflow[int, Any], number: int) -> bool:
    try:
        async with app.scope() as scope:
            await workflow.start(scope, number, key=str(number))
    except Exception as error:
        if not isinstance(error, Busy) and as_busy(error) is None:
            raise
        return False
    return True


@asynccontextmanager
async def orders(app: Application, count: int) -> AsyncGenerator[Callable[[float], Any]]:
    """Start `count` orders during a block; `await done(0.5)` in it waits until that share of them has ended.

    After the block all have ended, and their events were told.
    """
    url = app.config.database.url
    starting = asyncio.create_task(start_all(app, range(count)))

    async def done(share: float) -> None:
        if starting.done():
            await starting
        await asyncio.to_thread(until_finished, url, int(share * count))

    try:
        yield done
        await starting
        await asyncio.to_thread(until_all_finished, url, count)
    finally:
        starting.cancel()
