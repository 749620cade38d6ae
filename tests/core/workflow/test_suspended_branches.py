"""Children that sleep, wait or have to be undone later, in one another and side by side."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from core.app import Application
from core.container import Scope
from core.workflow import (
    RunCancelled,
    Runs,
    RunTimedOut,
    StepContext,
    StepTimedOut,
    parallel,
    sleep,
    step,
    wait_for,
    workflow,
)

from .payments import Charge, charge
from .slots import SOMEBODY_WAITS, Calls, Names, Slot, SlotForbidden, entries, runs, slots, take_slot
from .test_waiting import LONG, MOMENT, until


@workflow("inner", version=1)
async def inner(name: str) -> str:
    await take_slot(Slot(name=name))
    told = await wait_for(name, str)
    await take_slot(Slot(name=told))
    if told == "fail":
        raise SlotForbidden
    return told


@workflow("middle", version=1)
async def middle(name: str) -> str:
    await take_slot(Slot(name=f"middle {name}"))
    return await inner(name)


@workflow("outer", version=1)
async def outer(data: Names) -> list[str]:
    await take_slot(Slot(name="outer"))
    return [await middle(name) for name in data.names]


@workflow("side-by-side", version=1)
async def side_by_side(data: Names) -> list[str]:
    return [*await parallel(*(middle(name) for name in data.names))]


async def test_e10_three_levels_of_children_with_a_waiting_inner_step(scope: Scope, calls: Calls):
    run = await outer.start(scope, Names(["a"]))
    await until(scope, "waiting")
    await scope.resolve(Runs).signal(run.id, "a", "b")

    assert await run.result() == ["b"]
    assert calls == ["take outer", "take middle a", "take a", "take b"]
    assert {"1", "2.1", "2.2.1", "2.2.2", "2.2.2:begun", "2.2.3", "2.2", "2"} == {
        path for path, *_ in await entries(scope)
    }


async def test_e10_a_failure_after_the_wait_undoes_all_three_levels(scope: Scope, calls: Calls):
    run = await outer.start(scope, Names(["a"]))
    await until(scope, "waiting")
    await scope.resolve(Runs).signal(run.id, "a", "fail")

    with pytest.raises(SlotForbidden):
        await run.result()
    assert calls[-4:] == ["give back fail", "give back a", "give back middle a", "give back outer"]
    assert len(calls) == 8


async def test_branches_wait_for_signals_of_their_own(scope: Scope, calls: Calls):
    run = await side_by_side.start(scope, Names(["a", "b", "c"]))
    await until(scope, "waiting")
    for name in ("c", "a", "b"):
        await scope.resolve(Runs).signal(run.id, name, f"told {name}")

    assert await run.result() == ["told a", "told b", "told c"]
    assert len(calls) == 9
    assert await runs(scope) == [("side-by-side", "done", None)]


async def test_branches_that_wait_for_the_same_signal_get_one_each(scope: Scope):
    @workflow("hear", version=1)
    async def hear(data: int) -> int:
        return await wait_for("number", int)

    @workflow("hear-together", version=1)
    async def hear_together(data: int) -> list[int]:
        return sorted(await parallel(*(hear(number) for number in range(data))))

    run = await hear_together.start(scope, 3)
    for number in range(3):
        await scope.resolve(Runs).signal(run.id, "number", number)

    assert await run.result() == [0, 1, 2]
    assert await scope.session.sql("SELECT name FROM workflow_signal WHERE NOT taken") == []


async def test_a_branch_that_fails_undoes_its_sibling_that_waits(scope: Scope, calls: Calls):
    run = await side_by_side.start(scope, Names(["a", "b"]))
    await until(scope, "waiting")
    await scope.resolve(Runs).signal(run.id, "b", "fail")

    with pytest.raises(SlotForbidden):
        await run.result()
    assert await slots(scope) == []
    given_back = [call for call in calls if call.startswith("give")]
    assert sorted(given_back) == sorted(f"give back {name}" for name in ("middle a", "a", "middle b", "b", "fail"))
    assert await runs(scope) == [("side-by-side", "compensated", None)]


async def test_a_caught_failure_of_a_branch_leaves_nothing_of_its_sibling_that_waited(scope: Scope, calls: Calls):
    @workflow("catch-branches", version=1)
    async def catch_branches(data: Names) -> str:
        with suppress(SlotForbidden):
            await side_by_side(data)
        await sleep(MOMENT)
        return (await take_slot(Slot(name="after"))).name

    run = await catch_branches.start(scope, Names(["a", "b"]))
    await until(scope, "waiting")
    await scope.resolve(Runs).signal(run.id, "a", "fail")

    assert await run.result() == "after"
    assert await slots(scope) == ["after"]
    assert await runs(scope) == [("catch-branches", "done", None)]


@step("come-loose")
async def come_loose(ctx: StepContext, name: str) -> str:
    return name


@come_loose.compensate
async def stick_again(ctx: StepContext, name: str) -> None:
    calls = ctx.resolve(Calls)
    calls.append(f"try {name}")
    if calls.count(f"try {name}") < 3:
        raise ConnectionError


@workflow("come-loose-and-fail", version=1)
async def come_loose_and_fail(name: str) -> str:
    await take_slot(Slot(name=name))
    await come_loose(name)
    raise SlotForbidden(name)


async def test_an_undo_in_a_branch_is_tried_again_later_while_its_siblings_end(scope: Scope, calls: Calls):
    @workflow("nap-and-take", version=1)
    async def nap_and_take(name: str) -> str:
        await sleep(MOMENT)
        return (await take_slot(Slot(name=name))).name

    @workflow("fail-beside-naps", version=1)
    async def fail_beside_naps(data: None) -> str:
        try:
            await parallel(nap_and_take("a"), come_loose_and_fail("b"), charge(Charge(name="c")))
        except SlotForbidden as error:
            return f"{error.detail} {len(error.siblings)}"
        return ""

    assert await fail_beside_naps.run(scope, None) == "b 0"
    assert await slots(scope) == []
    assert calls.count("try b") == 3
    assert calls.count("take b") == calls.count("give back b") == 1
    assert await runs(scope) == [("fail-beside-naps", "done", None)]


async def test_two_branches_whose_undos_are_tried_again_later_fail_together(scope: Scope, calls: Calls):
    @workflow("fail-twice", version=1)
    async def fail_twice(data: None) -> None:
        await take_slot(Slot(name="first"))
        await parallel(come_loose_and_fail("a"), come_loose_and_fail("b"))

    with pytest.raises(SlotForbidden):
        await fail_twice.run(scope, None)

    assert await slots(scope) == []
    assert await runs(scope) == [("fail-twice", "compensated", None)]


async def test_a_run_is_cancelled_while_a_childs_undo_waits_for_its_next_attempt(scope: Scope, calls: Calls):
    @workflow("hold-on", version=1, timeout=LONG)
    async def hold_on(data: None) -> None:
        await take_slot(Slot(name="a"))
        with suppress(SlotForbidden):
            await come_loose_and_fail("b")
        await wait_for("never", str)

    run = await hold_on.start(scope, None)
    async with asyncio.timeout(10):
        while "try b" not in calls:  # noqa: ASYNC110, a list of calls
            await asyncio.sleep(0.001)
    await scope.resolve(Runs).cancel(run.id)

    with pytest.raises(RunCancelled):
        await run.result()
    assert calls[-1] == "give back a"
    assert calls.count("give back b") == 1
    assert await slots(scope) == []


async def test_a_deadline_ends_a_run_whose_branches_wait(scope: Scope, calls: Calls):
    @workflow("wait-together", version=1, timeout=timedelta(seconds=0.3))
    async def wait_together(data: Names) -> list[str]:
        await charge(Charge(name="c"))
        return [*await parallel(*(middle(name) for name in data.names))]

    with pytest.raises(RunTimedOut):
        await wait_together.run(scope, Names(["a", "b"]))
    assert await slots(scope) == []
    assert calls[-1] == "refund c"
    assert await runs(scope) == [("wait-together", "compensated", None)]


async def test_a_branch_that_takes_a_signal_when_its_sibling_fails_gives_its_connection_back(
    app: Application, scope: Scope, calls: Calls
):
    begun, open_gate = asyncio.Event(), asyncio.Event()

    @step("pass-gate", external=True)
    async def pass_gate(ctx: StepContext) -> None:
        begun.set()
        await open_gate.wait()

    @step("fail-when-somebody-waits", external=True)
    async def fail_when_somebody_waits(ctx: StepContext) -> None:
        async with asyncio.timeout(5):
            while not await scope.session.sql(SOMEBODY_WAITS):  # noqa: ASYNC110, a lock
                await asyncio.sleep(0.01)
        raise SlotForbidden

    @workflow("hear", version=1)
    async def hear(name: str) -> str:
        return await wait_for(name, str)

    @workflow("fail-beside-a-wait", version=1)
    async def fail_beside_a_wait(data: None) -> None:
        await pass_gate()
        await parallel(hear("go"), fail_when_somebody_waits())

    run = await fail_beside_a_wait.start(scope, None)
    await begun.wait()
    await scope.resolve(Runs).signal(run.id, "go", "on")
    async with app.scope() as locking, locking.transaction() as transaction:
        await transaction.sql("LOCK TABLE workflow_signal IN SHARE MODE")
        open_gate.set()
        with pytest.raises(SlotForbidden):
            await run.result(wait=timedelta(seconds=5))


async def test_a_childs_wait_that_takes_too_long_is_an_error_that_the_parent_may_catch(scope: Scope, calls: Calls):
    @workflow("give-up", version=1)
    async def give_up(name: str) -> str:
        await take_slot(Slot(name=name))
        return await wait_for("never", str, timeout=MOMENT)

    @workflow("catch-time-out", version=1)
    async def catch_time_out(data: None) -> str:
        try:
            return await give_up("a")
        except StepTimedOut:
            return (await take_slot(Slot(name="b"))).name

    assert await catch_time_out.run(scope, None) == "b"
    assert calls == ["take a", "give back a", "take b"]
