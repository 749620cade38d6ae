"""A process that takes a lock in a step and keeps it until it dies."""

import asyncio

from core.workflow import StepContext, step, workflow

from .conftest import application_at
from .slots import Calls, Slot, take_slot


@step("hold")
async def hold(ctx: StepContext, key: str) -> None:
    await ctx.lock(key)
    await asyncio.Event().wait()


@workflow("take-and-hold", version=1)
async def take_and_hold(data: str) -> None:
    await take_slot(Slot(name="before"))
    await hold(data)


def main(url: str, key: str) -> None:
    """Hold the lock `key`."""
    asyncio.run(_hold(url, key))


async def _hold(url: str, key: str) -> None:
    app = application_at(url, Calls())
    async with app.running(), app.scope() as scope:
        await take_and_hold.run(scope, key)
