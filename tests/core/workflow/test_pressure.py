"""More runs at once than there are connections: they take longer, and none fails for it."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from core.app import Application
from core.config import Config, Database
from core.container import Scope
from core.workflow import StepContext, parallel, step, workflow

from .conftest import CLOCKWORK
from .slots import Calls, Slot, runs, slots, take_slot

POOL, WAIT_SECONDS = 2, 1
RUNS = 12
WIDTH = 4
PAUSE_SECONDS = 0.4


@step("hold-connection")
async def hold_connection(ctx: StepContext, name: str) -> None:
    """Keep a connection for a while: all runs together need several times what one may wait for a connection."""
    await ctx.scope.session.writable("hold").sql("INSERT INTO slot VALUES (%s)", (name,))
    await asyncio.sleep(PAUSE_SECONDS)


@workflow("hold-one", version=1)
async def hold_one(name: str) -> None:
    await hold_connection(name)


@workflow("hold-many", version=1)
async def hold_many(name: str) -> None:
    await take_slot(Slot(name=name))
    await parallel(*(hold_connection(f"{name} {branch}") for branch in range(WIDTH)))


@pytest.fixture
async def app(url: str, calls: Calls) -> AsyncGenerator[Application]:
    config = Config(database=Database(url=url, pool_size=POOL, pool_timeout_seconds=WAIT_SECONDS), engine=CLOCKWORK)
    app = Application(config, modules=[], workflows=[hold_one, hold_many])
    app.container.register(Calls, lambda _scope: calls)
    async with app.running():
        yield app


async def until_all_ended(scope: Scope, count: int) -> None:
    async with asyncio.timeout(60):
        while True:
            ended = await scope.session.sql("SELECT count(*) FROM workflow_run WHERE finished_at IS NOT NULL")
            if ended == [(count,)]:
                return
            await asyncio.sleep(0.1)


async def test_background_runs_wait_for_their_turns(app: Application, outside: Scope):
    async with app.scope() as scope, scope.transaction():
        for number in range(RUNS):
            await hold_one.start(scope, str(number))

    await until_all_ended(outside, RUNS)

    assert {status for _, status, _ in await runs(outside)} == {"done"}


async def test_runs_under_way_wait_for_connections(app: Application, outside: Scope):
    async def call(number: int) -> None:
        async with app.scope() as scope:
            await hold_many.run(scope, str(number))

    async with asyncio.TaskGroup() as group:
        for number in range(POOL):
            group.create_task(call(number))

    assert len(await slots(outside)) == POOL * (1 + WIDTH)
    assert {status for _, status, _ in await runs(outside)} == {"done"}


@pytest.fixture
async def outside(url: str) -> AsyncGenerator[Scope]:
    """Somebody with connections of their own, who drives nothing."""
    watching = Application(Config(database=Database(url=url), engine=CLOCKWORK), modules=[])
    async with watching.running(sweeping=False), watching.scope() as scope:
        yield scope
