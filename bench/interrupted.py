"""Processes with sagas of three steps: one stops all of them mid-way, one takes them over, one is left in peace."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, LiteralString

import uvloop

from core.app import Application
from core.config import Config
from core.logging import configure_logging
from core.workflow import StepContext, step, workflow

from .inserts import repeat
from .kinds import Item, insert_row, run_keyed

PATIENCE_SECONDS = 120
POLL_SECONDS = 0.005
UNFINISHED: LiteralString = """
SELECT 1 FROM workflow_run WHERE status IN ('queued', 'running', 'compensating') LIMIT 1"""

Parent = Connection
Work = Callable[[Config, list[Item], Parent], Coroutine[Any, Any, None]]


class Gate:
    """Where sagas wait after their first step, if it is shut."""

    def __init__(self, *, is_open: bool) -> None:
        self.arrived = asyncio.Semaphore(0)
        self._open = asyncio.Event()
        if is_open:
            self._open.set()

    async def pass_through(self) -> None:
        """Wait until it opens."""
        self.arrived.release()
        await self._open.wait()


@step("pass-gate", read=True)
async def pass_gate(ctx: StepContext) -> None:
    """Go on, if one may. Before a read step the steps so far are committed, and it holds no connection."""
    await ctx.resolve(Gate).pass_through()


@workflow("three-steps-with-gate", version=1)
async def three_steps_with_gate(item: Item) -> list[Item]:
    """Insert three rows, the gate after the first."""
    first = await insert_row(item.part(1))
    await pass_gate()
    return [first, *[await insert_row(item.part(number)) for number in (2, 3)]]


def work(act: Work, config: Config, items: list[Item], parent: Parent) -> None:
    """Be a process that does nothing else, with the log of an API process, unread."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    configure_logging()
    uvloop.run(asyncio.wait_for(act(config, items, parent), PATIENCE_SECONDS))


async def stop_mid_way(config: Config, items: list[Item], parent: Parent) -> None:
    """Bring all sagas to the gate, tell so, and wait to be killed."""
    gate = Gate(is_open=False)
    async with _running(config, gate) as app, asyncio.TaskGroup() as group:
        for number, item in enumerate(items):
            if number >= config.database.pool_size:
                await gate.arrived.acquire()
            group.create_task(run_keyed(app, three_steps_with_gate, item))
        for _ in items[: config.database.pool_size]:
            await gate.arrived.acquire()
        parent.send(0.0)


async def take_over(config: Config, _items: list[Item], parent: Parent) -> None:
    """Claim what others left and bring it to its end; tell how long that took from the first claim on."""
    async with _running(config, Gate(is_open=True)) as app:
        began = time.perf_counter()
        await app.workflows.sweep()
        async with app.scope() as scope:
            while await scope.session.sql(UNFINISHED):  # noqa: ASYNC110, rows
                await asyncio.sleep(POLL_SECONDS)
        parent.send(time.perf_counter() - began)


async def run_in_peace(config: Config, items: list[Item], parent: Parent) -> None:
    """Run the sagas from their beginning to their end, as many at once; tell how long that took."""
    async with _running(config, Gate(is_open=True)) as app:
        began = time.perf_counter()
        await repeat(partial(run_keyed, app, three_steps_with_gate), iter(items), config.database.pool_size)
        parent.send(time.perf_counter() - began)


@asynccontextmanager
async def _running(config: Config, gate: Gate) -> AsyncGenerator[Application]:
    app = Application(config, modules=[], workflows=[three_steps_with_gate])
    app.container.register(Gate, lambda _scope: gate)
    async with app.running(sweeping=False):
        yield app
