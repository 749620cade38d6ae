"""What happened to another run is an error like any other, and not the end of this one."""

import asyncio
from datetime import timedelta

import pytest

from core.app import Application
from core.container import Scope
from core.errors import HoldfastError, InvalidData
from core.workflow import (
    Retry,
    RunCancelled,
    Runs,
    RunTimedOut,
    StepContext,
    WorkflowFailed,
    sleep,
    start,
    step,
    wait_for,
    workflow,
)

from .slots import Calls, Names, Slot, SlotForbidden, runs, slots, take_slot
from .test_waiting import MOMENT, take_when_told, until

ONCE = Retry(attempts=1)


@workflow("wait-in-vain", version=1, timeout=MOMENT)
async def wait_in_vain(data: None) -> None:
    await wait_for("never", str)


@step("run-in-vain", external=True, retry=ONCE)
async def run_in_vain(ctx: StepContext) -> None:
    await wait_in_vain.run(ctx.scope, None)


@workflow("catch-time-out", version=1)
async def catch_time_out(data: None) -> str:
    try:
        await run_in_vain()
    except RunTimedOut:
        return (await take_slot(Slot(name="caught"))).name
    return ""


async def test_the_time_out_of_another_run_can_be_caught(scope: Scope):
    assert await catch_time_out.run(scope, None) == "caught"
    assert await slots(scope) == ["caught"]


@pytest.mark.parametrize("error", [RunTimedOut("theirs"), RunCancelled("theirs")])
async def test_a_failure_signal_of_any_kind_can_be_caught(scope: Scope, error: HoldfastError):
    @workflow("catch-signal", version=1)
    async def catch_signal(data: None) -> str:
        await take_slot(Slot(name="a"))
        try:
            return await wait_for("answer", str)
        except type(error):
            return (await take_slot(Slot(name="b"))).name

    run = await catch_signal.start(scope, None)
    await scope.resolve(Runs).signal_failure(run.id, "answer", error)

    assert await run.result() == "b"


async def test_a_run_that_fails_because_another_one_was_cancelled_is_compensated(scope: Scope, calls: Calls):
    run = await take_when_told.start(scope, Names(["a"]))
    await scope.resolve(Runs).signal_failure(run.id, "name", RunCancelled("theirs"))

    with pytest.raises(RunCancelled, match="theirs"):
        await run.result()
    assert calls == ["take a", "give back a"]
    assert await runs(scope) == [("take-when-told", "compensated", None)]


async def test_who_finds_a_run_by_its_key_does_not_cancel_it_when_undone(app: Application, scope: Scope):
    app.workflows.registry.learn(take_when_told)

    @workflow("start-and-fail", version=1)
    async def start_and_fail(data: None) -> None:
        await start(take_when_told, Names(["a"]), key="k")
        await start(take_when_told, Names(["b"]), key="own")
        raise SlotForbidden

    first = await take_when_told.start(scope, Names(["a"]), key="k")
    await until(scope, "waiting")

    with pytest.raises(SlotForbidden):
        await start_and_fail.run(scope, None)

    async with asyncio.timeout(10):
        while len(await runs(scope)) < 3 or (await runs(scope))[2][1] != "cancelled":  # noqa: ASYNC110, rows
            await asyncio.sleep(0.01)
    await scope.resolve(Runs).signal(first.id, "name", "c")
    assert await first.result() == ["a", "c"]


@pytest.mark.parametrize("delay", [timedelta.max, 5])
async def test_a_sleep_of_no_possible_length_is_the_bodys_error(scope: Scope, delay: timedelta):
    @workflow("sleep-for-ever", version=1)
    async def sleep_for_ever(data: None) -> None:
        await take_slot(Slot(name="a"))
        await sleep(delay)

    with pytest.raises((InvalidData, WorkflowFailed)):
        await sleep_for_ever.run(scope, None)
    with pytest.raises((InvalidData, WorkflowFailed)):
        await (await sleep_for_ever.start(scope, None)).result(wait=timedelta(seconds=3))
    assert await slots(scope) == []
