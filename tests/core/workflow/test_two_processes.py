"""Runs that wait in one process and go on in another, on a clock that is moved."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from core.app import Application
from core.config import Engine
from core.container import Scope
from core.testing import move_clock
from core.workflow import Run, RunCancelled, Runs, RunTimedOut, StepTimedOut, sleep, wait_for, workflow

from .conftest import application_at
from .slots import Calls, Names, Slot, runs, slots, take_slot
from .test_waiting import take_when_told, until

HOUR = timedelta(hours=1)
BEATING = Engine(beat_seconds=0.05, grace_seconds=5, undo_pause_seconds=0.02)


@workflow("sleep-an-hour", version=1)
async def sleep_an_hour(data: Names) -> list[str]:
    await take_slot(Slot(name=data.names[0]))
    await sleep(HOUR)
    await take_slot(Slot(name=data.names[1]))
    return data.names


@workflow("wait-an-hour", version=1)
async def wait_an_hour(data: Names) -> str:
    try:
        return await wait_for("answer", str, timeout=HOUR)
    except StepTimedOut:
        return "too late"


@workflow("wait-with-deadline", version=1, timeout=2 * HOUR)
async def wait_with_deadline(data: Names) -> str:
    await take_slot(Slot(name=data.names[0]))
    return await wait_for("never", str)


def process(url: str, calls: Calls) -> Application:
    app = application_at(url, calls, clockwork=BEATING)
    for each in (take_when_told, sleep_an_hour, wait_an_hour, wait_with_deadline):
        app.workflows.registry.learn(each)
    return app


@pytest.fixture
async def first(url: str, calls: Calls) -> AsyncGenerator[Application]:
    app = process(url, calls)
    async with app.running():
        yield app


@pytest.fixture
async def second(url: str, calls: Calls) -> AsyncGenerator[Application]:
    app = process(url, calls)
    async with app.running():
        yield app


@pytest.fixture
async def scope(second: Application) -> AsyncGenerator[Scope]:
    async with second.scope() as scope:
        yield scope


async def test_l2_a_run_that_waits_in_one_process_is_continued_by_another(url: str, scope: Scope, calls: Calls):
    gone = process(url, calls)
    async with gone.running(), gone.scope() as own:
        run = await take_when_told.start(own, Names(["a"]))
        await until(scope, "waiting")

    await scope.resolve(Runs).signal(run.id, "name", "b")
    await until(scope, "done")

    assert calls == ["take a", "take b"]
    assert await scope.session.sql("SELECT takeovers FROM workflow_run") == [(0,)]


async def test_a_moved_clock_ends_a_sleep_once_whoever_sees_it_first(
    first: Application, second: Application, scope: Scope, calls: Calls
):
    run = await sleep_an_hour.start(scope, Names(["a", "b"]))
    await until(scope, "waiting")
    assert calls == ["take a"]

    await move_clock(first, HOUR)

    await until(scope, "done")
    assert calls == ["take a", "take b"]
    assert await run.result() == ["a", "b"]
    assert await slots(scope) == ["a", "b"]


async def test_a_moved_clock_ends_a_wait_and_a_deadline(first: Application, scope: Scope, calls: Calls):
    waits = await wait_an_hour.start(scope, Names([]))
    due = await wait_with_deadline.start(scope, Names(["a"]))
    async with asyncio.timeout(10):
        while [run[1] for run in await runs(scope)] != ["waiting"] * 2:  # noqa: ASYNC110, rows
            await asyncio.sleep(0.01)

    await move_clock(first, HOUR)
    assert await waits.result() == "too late"
    assert (await scope.resolve(Runs).retrieve(due.id)).status == "waiting"

    await move_clock(first, HOUR)
    with pytest.raises(RunTimedOut):
        await due.result()
    assert calls == ["take a", "give back a"]


async def test_of_a_signal_and_a_time_out_at_once_one_wins(first: Application, second: Application, scope: Scope):
    asked = [await wait_an_hour.start(scope, Names([])) for _ in range(6)]
    async with asyncio.timeout(10):
        while {run[1] for run in await runs(scope)} != {"waiting"}:  # noqa: ASYNC110, rows
            await asyncio.sleep(0.01)

    async def tell(run: Run[str]) -> None:
        async with first.scope() as own:
            await own.resolve(Runs).signal(run.id, "answer", "in time")

    _, *told = await asyncio.gather(move_clock(first, HOUR), *(tell(run) for run in asked), return_exceptions=True)

    answers = [await run.result() for run in asked]
    left = await scope.session.sql("SELECT run_id FROM workflow_signal WHERE NOT taken")
    late = sum(error is not None for error in told)
    assert answers.count("too late") == len(left) + late
    assert {*answers} <= {"in time", "too late"}
    assert {run[1] for run in await runs(scope)} == {"done"}


async def test_a_signal_from_many_processes_is_heard_by_one_driver(
    first: Application, second: Application, scope: Scope, calls: Calls
):
    run = await take_when_told.start(scope, Names(["a"]))
    await until(scope, "waiting")

    async def tell_and_wait(app: Application) -> list[str]:
        async with app.scope() as own:
            await own.resolve(Runs).signal(run.id, "name", "b")
            return await Run(app.container, app.workflows, run.id, take_when_told).result()

    results = await asyncio.gather(tell_and_wait(first), tell_and_wait(second), return_exceptions=True)

    assert ["a", "b"] in results
    assert calls == ["take a", "take b"]


async def test_a_cancellation_and_the_end_at_once_leave_a_run_that_is_undone(
    first: Application, second: Application, scope: Scope, calls: Calls
):
    run = await take_when_told.start(scope, Names(["a"]))
    await until(scope, "waiting")

    async def cancel(app: Application) -> bool:
        async with app.scope() as own:
            return await own.resolve(Runs).cancel(run.id)

    async def tell() -> None:
        async with first.scope() as own:
            await own.resolve(Runs).signal(run.id, "name", "b")

    await asyncio.gather(tell(), cancel(first), cancel(second), return_exceptions=True)

    with pytest.raises(RunCancelled):
        await run.result()
    await until(scope, "cancelled")
    assert await slots(scope) == []
    assert calls.count("give back a") == 1
    assert calls.count("take b") == calls.count("give back b")
