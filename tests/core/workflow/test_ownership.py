"""A process that lost its run makes no more external calls, and whoever took over knows that one may be out there."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import psycopg
import pytest

from core.app import Application
from core.workflow import StepContext, Workflow, step, workflow

from .conftest import application_at, until_no_connection_is_out
from .payments import QUICK, CardDeclined
from .slots import Calls, SlotForbidden, runs


class Outside:
    """The first external call stands still until `lost`, and then breaks."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.lost = asyncio.Event()
        self.between: Callable[[], None] = lambda: None
        """What the body does before it calls."""

    async def break_off(self) -> None:
        self.reached.set()
        await self.lost.wait()
        raise ConnectionError


@step("pay", external=True, retry=QUICK)
async def pay(ctx: StepContext) -> str:
    calls = ctx.resolve(Calls)
    calls.append("pay")
    if calls.count("pay") == 1:
        await ctx.resolve(Outside).break_off()
    raise CardDeclined


@pay.compensate
async def pay_back(ctx: StepContext, what: str | None) -> None:
    ctx.resolve(Calls).append(f"pay back {what}")


@step("reserve", external=True, retry=QUICK)
async def reserve(ctx: StepContext) -> str:
    return "reserved"


@reserve.compensate
async def release(ctx: StepContext, what: str | None) -> None:
    calls = ctx.resolve(Calls)
    calls.append("release")
    if calls.count("release") == 1:
        await ctx.resolve(Outside).break_off()


@workflow("reserve-and-fail", version=1)
async def reserve_and_fail(data: None) -> str:
    raise SlotForbidden(await reserve())


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def pay_once(outside: Outside) -> Workflow[None, str]:
    @workflow("pay-once", version=1)
    async def pay_once(data: None) -> str:
        outside.between()
        return await pay()

    return pay_once


@pytest.fixture
async def pair(
    url: str, calls: Calls, outside: Outside, pay_once: Workflow[None, str]
) -> AsyncGenerator[tuple[Application, Application]]:
    """Two processes with the same code."""
    config = application_at(url, calls).config
    pair = [Application(config, modules=[], workflows=[pay_once, reserve_and_fail]) for _ in range(2)]
    for app in pair:
        app.container.register(Calls, lambda _scope: calls)
        app.container.register(Outside, lambda _scope: outside)
    first, second = pair
    async with first.running(), second.running():
        yield first, second
    await until_no_connection_is_out(first)
    await until_no_connection_is_out(second)


async def lose(pair: tuple[Application, Application], saga: Workflow[None, str], outside: Outside) -> asyncio.Task[str]:
    """Run in the first process as far as the outside; the second one takes the run over."""
    first, second = pair
    async with first.scope() as scope:
        task = asyncio.create_task(saga.run(scope, None))
        async with asyncio.timeout(10):
            await outside.reached.wait()
        async with scope.transaction() as transaction:
            await transaction.sql(
                "UPDATE workflow_process SET beat_at = beat_at - interval '1 hour' WHERE id = %s",
                (first.heartbeat.process_id,),
            )
    assert await second.workflows.sweep() == 1
    return task


async def until_ended(app: Application, status: str) -> None:
    async with asyncio.timeout(10), app.scope() as scope:
        while [run[1] for run in await runs(scope)] != [status]:  # noqa: ASYNC110, another process's row
            await asyncio.sleep(0.01)


async def error_of(task: "asyncio.Task[Any]") -> BaseException | None:
    await asyncio.wait([task], timeout=10)
    return task.exception()


async def test_a_call_that_a_lost_process_may_have_made_is_undone(
    pair: tuple[Application, Application], pay_once: Workflow[None, str], outside: Outside, calls: Calls
):
    task = await lose(pair, pay_once, outside)
    await until_ended(pair[1], "compensated")

    assert calls == ["pay", "pay", "pay back None"]
    outside.lost.set()
    assert isinstance(await error_of(task), CardDeclined)


async def test_a_process_that_lost_its_run_does_not_try_its_step_again(
    pair: tuple[Application, Application], pay_once: Workflow[None, str], outside: Outside, calls: Calls
):
    task = await lose(pair, pay_once, outside)
    await until_ended(pair[1], "compensated")
    calls.append("ended")

    outside.lost.set()

    assert isinstance(await error_of(task), CardDeclined)
    assert calls[-1] == "ended"


async def test_a_process_that_lost_its_run_does_not_try_its_undo_again(
    pair: tuple[Application, Application], outside: Outside, calls: Calls
):
    task = await lose(pair, reserve_and_fail, outside)
    await until_ended(pair[1], "compensated")

    outside.lost.set()

    assert isinstance(await error_of(task), SlotForbidden)
    assert calls == ["release", "release"]


async def test_a_call_that_has_begun_is_not_made_again_by_a_process_that_has_just_lost_the_run(
    pair: tuple[Application, Application], pay_once: Workflow[None, str], outside: Outside, calls: Calls, url: str
):
    def end_elsewhere() -> None:
        if calls:
            with psycopg.connect(url) as connection:
                connection.execute("UPDATE workflow_run SET epoch = epoch + 1, status = 'done', result = '\"else\"'")

    outside.between = end_elsewhere
    task = await lose(pair, pay_once, outside)
    await until_ended(pair[1], "done")
    await pair[1].workflows.close(10)

    assert calls == ["pay"]
    outside.lost.set()
    assert await asyncio.wait_for(task, 10) == "else"
    assert calls == ["pay"]
