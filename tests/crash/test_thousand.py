"""A process that dies with a thousand runs half-way leaves nothing undone."""

import asyncio
import logging
from datetime import timedelta
from multiprocessing.connection import Connection

import psycopg
import structlog

from core.app import Application
from core.config import Config, Database, Engine
from core.workflow import StepContext, step, workflow

from .outside import HERE

RUNS = 1000
PATIENCE_SECONDS = 90
UNFINISHED = "SELECT count(*) FROM workflow_run WHERE status <> 'done'"
EFFECTS = "SELECT count(*), count(DISTINCT (run, path)) FROM effect"
TAKEN_OVER = "SELECT count(*), sum(takeovers), count(DISTINCT owner) FROM workflow_run"


class Gate(asyncio.Event):
    """Where runs stand half-way."""

    arrived = 0


@step("put")
async def put(ctx: StepContext) -> None:
    query = "INSERT INTO effect (run, path, undone) VALUES (%s, %s, false)"
    await ctx.scope.session.writable("put").sql(query, (ctx.run_id, ctx.path))


@step("pass-gate", external=True)
async def pass_gate(ctx: StepContext) -> None:
    gate = ctx.resolve(Gate)
    gate.arrived += 1
    await gate.wait()


@workflow("put-three", version=1)
async def put_three(number: int) -> int:
    await put()
    await pass_gate()
    await put()
    await put()
    return number


def application(url: str, gate: Gate) -> Application:
    engine = Engine(beat_seconds=0.2, lease_seconds=1, grace_seconds=1)
    app = Application(Config(database=Database(url=url), engine=engine), modules=[], workflows=[put_three])
    app.container.register(Gate, lambda _scope: gate)
    return app


def stand_half_way(url: str, parent: Connection) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(_stand_half_way(url, parent))


async def _stand_half_way(url: str, parent: Connection) -> None:
    gate = Gate()
    async with application(url, gate).running() as app, asyncio.TaskGroup() as group:
        for number in range(RUNS):
            group.create_task(_run(app, number))
        while gate.arrived < RUNS:  # noqa: ASYNC110, steps
            await asyncio.sleep(0.05)
        parent.send(gate.arrived)
        await asyncio.Event().wait()


async def _run(app: Application, number: int) -> None:
    async with app.scope() as scope:
        await put_three.run(scope, number, wait=timedelta(seconds=PATIENCE_SECONDS))


async def take_over(url: str) -> None:
    """Be the survivor, until all have ended."""
    gate = Gate()
    gate.set()
    async with application(url, gate).running() as app, app.scope() as scope, asyncio.timeout(PATIENCE_SECONDS):
        while await scope.session.sql(UNFINISHED) != [(0,)]:  # noqa: ASYNC110, rows
            await asyncio.sleep(0.1)
    assert gate.arrived == RUNS


def test_a_thousand_interrupted_runs_are_taken_over(url: str):
    ours, its = HERE.Pipe()
    process = HERE.Process(target=stand_half_way, args=(url, its), daemon=True)
    process.start()
    try:
        assert ours.poll(PATIENCE_SECONDS)
        assert ours.recv() == RUNS
    finally:
        process.kill()
        process.join()
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute(EFFECTS).fetchone() == (RUNS, RUNS)

        asyncio.run(take_over(url))

        assert connection.execute(EFFECTS).fetchone() == (3 * RUNS, 3 * RUNS)
        assert connection.execute(TAKEN_OVER).fetchone() == (RUNS, RUNS, 0)
