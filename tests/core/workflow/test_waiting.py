"""Runs that sleep or wait: a row, and nothing else, until they are due or a signal comes."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from core.app import Application
from core.container import Scope
from core.errors import InvalidData
from core.workflow import (
    RunCancelled,
    RunNotWaiting,
    Runs,
    RunTimedOut,
    StepContext,
    StepTimedOut,
    parallel,
    signal,
    sleep,
    start,
    step,
    wait_for,
    workflow,
)

from .proxy import Proxy
from .slots import Calls, Names, Slot, SlotForbidden, runs, slots, take_slot

MOMENT = timedelta(milliseconds=30)
LONG = timedelta(hours=1)


@workflow("take-when-told", version=1)
async def take_when_told(data: Names) -> list[str]:
    await take_slot(Slot(name=data.names[0]))
    told = await wait_for("name", str)
    await take_slot(Slot(name=told))
    return [data.names[0], told]


async def until(scope: Scope, state: str) -> str:
    """Wait until the one run is in a state; return its id."""
    async with asyncio.timeout(10):
        while True:
            for id, status in await scope.session.sql("SELECT id, status FROM workflow_run"):
                if status == state:
                    return str(id)
            await asyncio.sleep(0.01)


async def test_a_sleep_ends_by_itself_and_its_run_has_no_owner_meanwhile(scope: Scope):
    @workflow("doze", version=1)
    async def doze(data: None) -> str:
        await take_slot(Slot(name="a"))
        await sleep(MOMENT)
        return "awake"

    run = asyncio.create_task(doze.run(scope, None))
    id = await until(scope, "waiting")
    assert await scope.session.sql("SELECT owner FROM workflow_run WHERE id = %s", (id,)) == [(None,)]
    assert await run == "awake"
    assert await slots(scope) == ["a"]


async def test_t10_a_waiting_run_goes_on_when_it_is_signalled(scope: Scope, app: Application, calls: Calls):
    run = await take_when_told.start(scope, Names(["a"]))
    assert await until(scope, "waiting") == run.id
    async with app.scope() as other:
        await other.resolve(Runs).signal(run.id, "name", "b")
    assert await run.result() == ["a", "b"]
    assert calls == ["take a", "take b"]
    assert await slots(scope) == ["a", "b"]


async def run_at_once(scope: Scope) -> list[str]:
    return await take_when_told.run(scope, Names(["a"]))


async def start_and_ask(scope: Scope) -> list[str]:
    run = await take_when_told.start(scope, Names(["a"]))
    return await run.result()


@pytest.mark.parametrize("ask", [run_at_once, start_and_ask])
async def test_a_caller_goes_on_waiting_while_the_database_is_away_for_a_moment(
    far: Scope, scope: Scope, app: Application, proxy: Proxy, ask: Callable[[Scope], Awaitable[list[str]]]
):
    asked = asyncio.ensure_future(ask(far))
    id = await until(scope, "waiting")
    with capture_logs() as logs:
        proxy.away = True
        proxy.cut()
        async with asyncio.timeout(10):
            while not any(line["event"] == "database_is_away" for line in logs):  # noqa: ASYNC110, a list of logs
                await asyncio.sleep(0.01)
        proxy.away = False
    async with app.scope() as other:
        await other.resolve(Runs).signal(id, "name", "b")
    assert await asked == ["a", "b"]


async def test_t11_a_signal_that_nobody_waits_for_is_kept(scope: Scope, calls: Calls):
    @workflow("take-between", version=1)
    async def take_between(data: Names) -> list[str]:
        first = await wait_for("first", str)
        second = await wait_for("second", str)
        return [first, second]

    run = await take_between.start(scope, Names([]))
    await scope.resolve(Runs).signal(run.id, "second", "2")
    await until(scope, "waiting")
    assert [one.status for one in await scope.resolve(Runs).list()] == ["waiting"]
    await scope.resolve(Runs).signal(run.id, "first", "1")
    assert await run.result() == ["1", "2"]


async def test_t11_a_failure_signal_compensates(scope: Scope, calls: Calls):
    run = await take_when_told.start(scope, Names(["a"]))
    await until(scope, "waiting")
    await scope.resolve(Runs).signal_failure(run.id, "name", SlotForbidden("not that one"))
    with pytest.raises(SlotForbidden, match="not that one"):
        await run.result()
    assert calls == ["take a", "give back a"]
    assert await runs(scope) == [("take-when-told", "compensated", None)]


async def test_e12_a_wait_that_takes_too_long_compensates(scope: Scope, calls: Calls):
    @workflow("wait-a-moment", version=1)
    async def wait_a_moment(data: None) -> None:
        await take_slot(Slot(name="a"))
        await wait_for("never", str, timeout=MOMENT)

    with pytest.raises(StepTimedOut, match="never"):
        await wait_a_moment.run(scope, None)
    assert calls == ["take a", "give back a"]
    assert await runs(scope) == [("wait-a-moment", "compensated", None)]


async def test_e5_cancelling_a_waiting_run_compensates_it(scope: Scope, calls: Calls):
    run = await take_when_told.start(scope, Names(["a"]))
    await until(scope, "waiting")
    assert await scope.resolve(Runs).cancel(run.id)
    with pytest.raises(RunCancelled):
        await run.result()
    assert calls == ["take a", "give back a"]
    assert await runs(scope) == [("take-when-told", "cancelled", None)]
    assert not await scope.resolve(Runs).cancel(run.id)
    with pytest.raises(RunNotWaiting, match="is cancelled"):
        await scope.resolve(Runs).signal(run.id, "name", "b")


async def cancel(app: Application, run_id: str) -> bool:
    async with app.scope() as scope:
        return await scope.resolve(Runs).cancel(run_id)


async def test_t13_cancelling_a_finished_run_compensates_it_once(app: Application, scope: Scope, calls: Calls):
    @workflow("take-two", version=1)
    async def take_two(data: None) -> str:
        await take_slot(Slot(name="a"))
        await take_slot(Slot(name="b"))
        return "done"

    run = await take_two.start(scope, None)
    assert await run.result() == "done"
    await asyncio.gather(*(cancel(app, run.id) for _ in range(3)))
    with pytest.raises(RunCancelled):
        await run.result()
    assert calls == ["take a", "take b", "give back b", "give back a"]
    assert await runs(scope) == [("take-two", "cancelled", None)]


async def test_t14_a_run_past_its_deadline_is_compensated_and_the_rest_not_started(scope: Scope, calls: Calls):
    @workflow("take-slowly", version=1, timeout=timedelta(seconds=0.2))
    async def take_slowly(data: None) -> None:
        await take_slot(Slot(name="a"))
        await dawdle()
        await take_slot(Slot(name="b"))

    @step("dawdle")
    async def dawdle(ctx: StepContext) -> None:
        await asyncio.sleep(30)

    with pytest.raises(RunTimedOut):
        await take_slowly.run(scope, None)
    assert calls == ["take a", "give back a"]
    assert await runs(scope) == [("take-slowly", "compensated", None)]


async def test_r3_five_signals_at_once_are_all_heard(scope: Scope):
    @workflow("collect", version=1)
    async def collect(data: None) -> list[int]:
        return sorted([await wait_for("number", int) for _ in range(5)])

    run = await collect.start(scope, None)
    await until(scope, "waiting")
    await asyncio.gather(*(tell(scope, run.id, n) for n in range(5)))
    assert await run.result() == [0, 1, 2, 3, 4]


async def tell(scope: Scope, run_id: str, number: int) -> None:
    async with scope.container.scope() as own:
        await own.resolve(Runs).signal(run_id, "number", number)


async def test_children_in_a_parallel_sleep_side_by_side(scope: Scope, calls: Calls):
    @workflow("doze-and-take", version=1)
    async def doze_and_take(data: Slot) -> str:
        await sleep(MOMENT)
        return (await take_slot(data)).name

    @workflow("doze-together", version=1)
    async def doze_together(data: None) -> list[str]:
        return [*await parallel(*(doze_and_take(Slot(name=name)) for name in "abc"))]

    assert await doze_together.run(scope, None) == ["a", "b", "c"]
    assert await slots(scope) == ["a", "b", "c"]


async def test_a_body_starts_another_run_and_tells_it_something(app: Application, scope: Scope):
    app.workflows.registry.learn(take_when_told)

    @workflow("delegate", version=1)
    async def delegate(data: None) -> str:
        id = await start(take_when_told, Names(["a"]))
        await signal(id, "name", "b")
        return id

    id = await delegate.run(scope, None)
    async with asyncio.timeout(10):
        while (await scope.resolve(Runs).retrieve(id)).status != "done":  # noqa: ASYNC110, a row
            await asyncio.sleep(0.01)
    assert await slots(scope) == ["a", "b"]


async def test_a_signal_for_a_run_that_does_not_exist_is_refused(scope: Scope):
    with pytest.raises(RunNotWaiting):
        await scope.resolve(Runs).signal("run_none", "name", 1)


async def test_a_sleep_of_no_possible_length_can_be_caught(scope: Scope):
    @workflow("sleep-or-not", version=1)
    async def sleep_or_not(data: None) -> str:
        try:
            await sleep(timedelta.max)
        except InvalidData:
            return "awake"
        return "slept"

    assert await sleep_or_not.run(scope, None) == "awake"


async def test_a_sleep_until_long_ago_and_a_wait_that_is_over_take_no_time(scope: Scope):
    @workflow("sleep-until-long-ago", version=1)
    async def sleep_until_long_ago(data: None) -> str:
        await sleep(timedelta.min)
        try:
            return await wait_for("never", str, timeout=timedelta.min)
        except StepTimedOut:
            return "over"

    assert await sleep_until_long_ago.run(scope, None) == "over"
