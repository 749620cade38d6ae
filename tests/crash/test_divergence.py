"""Code that was changed under a run in flight: the run is parked, both sides are shown, and mended code ends it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from core.app import Application
from core.config import Config, Database, Engine
from core.workflow import Runs, StepContext, Workflow, step, workflow

Body = Callable[[list[str]], Coroutine[Any, Any, None]]


class Road(asyncio.Event):
    """Whether the outside answers."""


@step("put")
async def put(ctx: StepContext, name: str) -> None:
    await ctx.scope.session.writable("put").sql(
        "INSERT INTO effect (run, path, undone) VALUES (%s, %s, false)", (name, ctx.path)
    )


place = step("place")(put.fn)
add = step("add")(put.fn)


@step("ask", external=True)
async def ask(ctx: StepContext) -> None:
    await ctx.resolve(Road).wait()


async def original(data: list[str]) -> None:
    await put("a")
    await put("b")
    await ask()


async def without_a_step(data: list[str]) -> None:
    await put("a")
    await ask()


async def without_the_last_step(data: list[str]) -> None:
    await put("a")
    await put("b")


async def with_another_step(data: list[str]) -> None:
    await put("a")
    await add("c")
    await put("b")
    await ask()


async def with_a_renamed_step(data: list[str]) -> None:
    await put("a")
    await place("b")
    await ask()


async def in_another_order(data: list[str]) -> None:
    await put("a")
    await ask()
    await put("b")


async def with_another_input(data: list[str]) -> None:
    await put("a")
    await put("B")
    await ask()


def road_with(body: Body) -> Workflow[list[str], None]:
    return workflow("road", version=1)(body)


def application(url: str, road: Road, saga: Workflow[list[str], None]) -> Application:
    config = Config(
        database=Database(url=url, pool_size=3), engine=Engine(beat_seconds=0.1, lease_seconds=5, grace_seconds=0.1)
    )
    app = Application(config, modules=[], workflows=[saga])
    app.container.register(Road, lambda _scope: road)
    return app


async def until(runs: Runs, run_id: str, state: str, entries: int = 0) -> None:
    async with asyncio.timeout(20):
        while (run := await runs.retrieve(run_id)).status != state or len(run.entries) < entries:  # noqa: ASYNC110, rows
            await asyncio.sleep(0.02)


async def begin(url: str, road: Road) -> str:
    """Leave a run that stands in its external step."""
    saga = road_with(original)
    async with application(url, road, saga).running() as app, app.scope() as scope:
        run = await saga.start(scope, [])
        await until(scope.resolve(Runs), run.id, "running", entries=3)
    return run.id


@pytest.mark.parametrize(
    ("body", "was", "now"),
    [
        (without_a_step, "step at 2: the journal has put", "the body ask"),
        (without_the_last_step, "the journal has 3:begun", "which the body did not call"),
        (with_another_step, "step at 2: the journal has put", "the body add"),
        (with_a_renamed_step, "step at 2: the journal has put", "the body place"),
        (in_another_order, "step at 2: the journal has put", "the body ask"),
        (with_another_input, "input_hash at 2: the journal has", "the body"),
    ],
)
async def test_changed_code_parks_a_run_and_mended_code_ends_it(url: str, body: Body, was: str, now: str):
    road = Road()
    run_id = await begin(url, road)
    async with application(url, road, road_with(body)).running() as app, app.scope() as scope:
        runs = scope.resolve(Runs)
        await until(runs, run_id, "nondeterministic")
        error = (await runs.retrieve(run_id)).error
        assert error is not None
        assert was in error.detail
        assert now in error.detail
        await runs.retry(run_id)
        await until(runs, run_id, "nondeterministic")  # as long as the code is the same
    road.set()
    async with application(url, road, road_with(original)).running() as app, app.scope() as scope:
        runs = scope.resolve(Runs)
        await runs.retry(run_id)
        await until(runs, run_id, "done")
        assert await scope.session.sql("SELECT run, path FROM effect ORDER BY id") == [("a", "1"), ("b", "2")]
