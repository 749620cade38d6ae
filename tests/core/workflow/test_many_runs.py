"""Many runs that were interrupted mid-way are taken over in one sweep."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from core.app import Application
from core.config import Config, Database, Engine
from core.workflow import StepContext, step, workflow

from .slots import Calls

RUNS = 1000


@step("put")
async def put(ctx: StepContext, name: str) -> str:
    await ctx.scope.session.writable("put").sql("INSERT INTO slot VALUES (%s)", (f"{ctx.run_id} {name}",))
    return name


@workflow("put-three", version=1)
async def put_three(data: list[str]) -> list[str]:
    return [await put(name) for name in data]


# What a process leaves behind that dies between the first step and the second one.
COPIES = """
INSERT INTO workflow_run (id, workflow, version, status, owner, input_hash, input, context, entries, created_at)
SELECT 'run_' || number, workflow, version, 'running', 'proc_dead', input_hash, input, context, jsonb_build_array(
    entries -> 0), created_at FROM workflow_run, generate_series(1, %s) AS number"""
FIRST = "INSERT INTO slot SELECT 'run_' || number || ' a' FROM generate_series(1, %s) AS number"


@pytest.fixture
async def app(url: str, calls: Calls) -> AsyncGenerator[Application]:
    config = Config(database=Database(url=url), engine=Engine(beat_seconds=3600))
    app = Application(config, modules=[], workflows=[put_three])
    async with app.running():
        yield app


async def test_a_thousand_interrupted_runs_are_taken_over(app: Application):
    async with app.scope() as scope:
        await put_three.run(scope, ["a", "b", "c"])
        async with scope.transaction() as transaction:
            await transaction.sql(COPIES, (RUNS,))
            await transaction.sql(FIRST, (RUNS,))

        assert await app.workflows.sweep() == RUNS

        async with asyncio.timeout(60):
            while (await scope.session.sql("SELECT 1 FROM workflow_run WHERE status <> 'done' LIMIT 1")) != []:  # noqa: ASYNC110, rows
                await asyncio.sleep(0.05)
        assert await scope.session.sql("SELECT count(*) FROM slot") == [(3 * (RUNS + 1),)]
        assert await scope.session.sql("SELECT max(epoch) FROM workflow_run") == [(1,)]
