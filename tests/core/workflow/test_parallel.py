"""Several calls at once: results in order, failures together, and nothing left half-done."""

import asyncio
from datetime import timedelta

import pytest

from core.container import Scope
from core.errors import ConfigurationError
from core.workflow import CallNotAwaited, Retry, StepContext, StepFailed, parallel, step, workflow
from core.workflow.call import Call

from .payments import QUICK, CardDeclined, Charge, charge
from .proxy import Proxy, Spoil
from .slots import Calls, Names, Slot, SlotForbidden, entries, runs, slots, take_slot


def meeting_step(guests: int):
    barrier = asyncio.Barrier(guests)

    @step("meet")
    async def meet(ctx: StepContext, name: str) -> str:
        async with asyncio.timeout(5):
            await barrier.wait()
        await ctx.scope.session.writable("meet").sql("INSERT INTO slot VALUES (%s)", (name,))
        return name

    @meet.compensate
    async def leave(ctx: StepContext, name: str) -> None:
        ctx.resolve(Calls).append(f"leave {name}")
        await ctx.scope.session.writable("leave").sql("DELETE FROM slot WHERE name = %s", (name,))

    return meet


@workflow("take-in-child", version=1)
async def take_in_child(data: Names) -> int:
    for name in data.names:
        await take_slot(Slot(name=name))
    return len(data.names)


async def test_t2_r1_parallel_steps_start_together_and_a_later_step_gets_all_in_order(scope: Scope):
    meet = meeting_step(5)

    @workflow("meet", version=1)
    async def meet_all(data: Names) -> list[str]:
        met = await parallel(*(meet(name) for name in data.names))
        await take_slot(Slot(name=",".join(met)))
        return [*met]

    names = ["e", "d", "c", "b", "a"]
    assert await meet_all.run(scope, Names(names)) == names

    assert await slots(scope) == ["a", "b", "c", "d", "e", "e,d,c,b,a"]
    assert sorted(path for path, *_ in await entries(scope)) == ["1", *(f"1.{k}" for k in range(1, 6)), "2"]


async def test_c4_results_of_different_kinds_come_in_order(scope: Scope):
    @workflow("mix", version=1)
    async def mix(data: None) -> tuple[Slot, str, int]:
        return await parallel(take_slot(Slot(name="a")), charge(Charge(name="c")), take_in_child(Names(["x", "y"])))

    slot, token, count = await mix.run(scope, None)

    assert (slot, count) == (Slot(name="a"), 2)
    assert token.endswith(":1.2")
    assert {"1.3.1", "1.3.2", "1.3"} < {path for path, *_ in await entries(scope)}


async def test_t6_e15_a_failure_stops_what_follows_and_names_its_step(scope: Scope, calls: Calls):
    @workflow("take-twins", version=1)
    async def take_twins(data: None) -> None:
        await take_slot(Slot(name="a"))
        await parallel(take_slot(Slot(name="b")), take_slot(Slot(name="a")))
        await take_slot(Slot(name="c"))

    with pytest.raises(StepFailed) as caught:
        await take_twins.run(scope, None)

    assert caught.value.step == "take-slot"
    assert "take c" not in calls
    assert await slots(scope) == []
    assert await runs(scope) == [("take-twins", "compensated", None)]


async def test_c16_two_failures_at_once_are_both_reported(scope: Scope):
    barrier = asyncio.Barrier(2)

    @step("fail-together", external=True)
    async def fail_together(ctx: StepContext, name: str) -> None:
        async with asyncio.timeout(5):
            await barrier.wait()
        raise SlotForbidden(name)

    caught: list[tuple[str, list[str]]] = []

    @workflow("fail-together", version=1)
    async def fail_both(data: None) -> None:
        try:
            await parallel(fail_together("first"), fail_together("second"))
        except SlotForbidden as error:
            caught.append((error.detail, [sibling.detail for sibling in error.siblings]))

    await fail_both.run(scope, None)

    assert caught == [("first", ["second"])]
    assert await runs(scope) == [("fail-together", "done", None)]


async def test_a_transactional_sibling_is_interrupted_and_leaves_nothing(scope: Scope, calls: Calls):
    waiting = asyncio.Event()

    @step("wait-for-ever")
    async def wait_for_ever(ctx: StepContext) -> None:
        await ctx.scope.session.writable("wait").sql("INSERT INTO slot VALUES ('waiting')")
        waiting.set()
        await asyncio.sleep(60)

    @step("fail-when-it-waits", external=True)
    async def fail_when_it_waits(ctx: StepContext) -> None:
        await waiting.wait()
        raise SlotForbidden

    @workflow("interrupt", version=1)
    async def interrupt(data: None) -> None:
        await parallel(wait_for_ever(), fail_when_it_waits())

    async with asyncio.timeout(10):
        with pytest.raises(SlotForbidden) as caught:
            await interrupt.run(scope, None)

    assert caught.value.siblings == []
    assert await slots(scope) == []
    assert await runs(scope) == [("interrupt", "failed", None)]


async def test_an_external_sibling_is_awaited_not_retried_and_undone(scope: Scope, calls: Calls):
    called, failed = asyncio.Event(), asyncio.Event()

    @step("fail-first", external=True)
    async def fail_first(ctx: StepContext) -> None:
        await called.wait()
        failed.set()
        raise SlotForbidden

    @step("end-late", external=True, retry=QUICK)
    async def end_late(ctx: StepContext, well: bool) -> str:
        ctx.resolve(Calls).append("late")
        called.set()
        await failed.wait()
        await asyncio.sleep(0.05)
        if not well:
            raise ConnectionError
        return "ended"

    @end_late.compensate
    async def undo(ctx: StepContext, what: str | None) -> None:
        ctx.resolve(Calls).append(f"undo {what}")

    @workflow("fail-beside", version=1)
    async def fail_beside(well: bool) -> None:
        await parallel(end_late(well), fail_first())

    with pytest.raises(SlotForbidden):
        await fail_beside.run(scope, True)
    assert calls == ["late", "undo ended"]

    calls.clear()
    called.clear()
    failed.clear()
    with pytest.raises(StepFailed) as caught:
        await fail_beside.run(scope, False)
    assert calls == ["late", "undo None"]
    assert [type(error) for error in caught.value.siblings] == [SlotForbidden]


async def test_a_sibling_that_waits_for_its_next_attempt_is_not_tried_again(scope: Scope, calls: Calls):
    tried = asyncio.Event()

    @step("try-later", external=True, retry=Retry(attempts=5, backoff=timedelta(seconds=30)))
    async def try_later(ctx: StepContext) -> None:
        ctx.resolve(Calls).append("try")
        tried.set()
        raise ConnectionError

    @try_later.compensate
    async def undo(ctx: StepContext, what: None) -> None:
        ctx.resolve(Calls).append(f"undo {what}")

    @step("fail-then", external=True)
    async def fail_then(ctx: StepContext) -> None:
        await tried.wait()
        await asyncio.sleep(0.05)
        raise SlotForbidden

    @workflow("fail-while-pausing", version=1)
    async def fail_while_pausing(data: None) -> None:
        await parallel(try_later(), fail_then())

    async with asyncio.timeout(10):
        with pytest.raises(SlotForbidden):
            await fail_while_pausing.run(scope, None)

    assert calls == ["try", "undo None"]


async def test_a_child_that_is_stopped_is_undone_before_the_body_hears_of_the_failure(scope: Scope, calls: Calls):
    reached = asyncio.Event()

    @step("stand-still")
    async def stand_still(ctx: StepContext) -> None:
        reached.set()
        await asyncio.sleep(60)

    @step("fail-when-reached", external=True)
    async def fail_when_reached(ctx: StepContext) -> None:
        await reached.wait()
        raise SlotForbidden

    @workflow("take-and-stand", version=1)
    async def take_and_stand(data: None) -> None:
        await take_slot(Slot(name="child"))
        await stand_still()

    @workflow("catch", version=1)
    async def catch(data: None) -> list[str]:
        try:
            await parallel(take_and_stand(None), fail_when_reached())
        except SlotForbidden:
            await take_slot(Slot(name="after"))
        return ["caught"]

    assert await catch.run(scope, None) == ["caught"]

    assert calls == ["take child", "give back child", "take after"]
    assert await slots(scope) == ["after"]
    assert await runs(scope) == [("catch", "done", None)]


async def test_a_failed_child_is_undone_to_its_end_although_a_sibling_fails_meanwhile(scope: Scope, calls: Calls):
    undoing = asyncio.Event()
    sibling_failed = asyncio.Event()

    @step("put")
    async def put(ctx: StepContext, name: str) -> str:
        return name

    @put.compensate
    async def take_away(ctx: StepContext, name: str) -> None:
        undoing.set()
        await sibling_failed.wait()
        await asyncio.sleep(0.05)
        ctx.resolve(Calls).append(f"take away {name}")

    @step("fail-when-undoing", external=True)
    async def fail_when_undoing(ctx: StepContext) -> None:
        await undoing.wait()
        sibling_failed.set()
        raise SlotForbidden

    @workflow("put-and-fail", version=1)
    async def put_and_fail(data: None) -> None:
        await put("a")
        await put("b")
        raise CardDeclined

    @workflow("catch-both", version=1)
    async def catch_both(data: None) -> list[str]:
        try:
            await parallel(put_and_fail(None), fail_when_undoing())
        except CardDeclined as error:
            return [type(sibling).__name__ for sibling in error.siblings]
        return []

    assert await catch_both.run(scope, None) == ["SlotForbidden"]

    assert calls == ["take away b", "take away a"]
    assert [(path, code) for path, _, kind, code in await entries(scope) if kind == "undo"] == [
        ("1.1.2:undo", None),
        ("1.1.1:undo", None),
    ]


async def test_a_group_that_failed_is_not_started_again_by_a_replay(
    far: Scope, scope: Scope, proxy: Proxy, calls: Calls
):
    standing = asyncio.Event()

    @step("stand")
    async def stand(ctx: StepContext) -> None:
        calls.append("stand")
        standing.set()
        await asyncio.sleep(60)

    @step("fail-slowly", external=True)
    async def fail_slowly(ctx: StepContext) -> None:
        calls.append("fail slowly")
        await standing.wait()
        raise SlotForbidden

    @workflow("fail-and-take", version=1)
    async def fail_and_take(data: None) -> str:
        try:
            await parallel(fail_slowly(), stand())
        except SlotForbidden as error:
            await take_slot(Slot(name="a"))
            await take_slot(Slot(name="b"))
            return error.detail
        return ""

    proxy.spoils = [Spoil.PASS, Spoil.PASS, Spoil.CUT_BEFORE]
    assert await fail_and_take.run(far, None) == SlotForbidden().detail

    assert (calls.count("fail slowly"), calls.count("stand")) == (1, 1)
    assert await slots(scope) == ["a", "b"]


async def test_branches_that_are_durable_are_not_repeated(far: Scope, scope: Scope, proxy: Proxy, calls: Calls):
    @workflow("take-pairs", version=1)
    async def take_pairs(data: None) -> list[str]:
        pair = await parallel(take_slot(Slot(name="a")), take_slot(Slot(name="b")))
        last = await take_slot(Slot(name="c"))
        return [slot.name for slot in (*pair, last)]

    proxy.spoils = [Spoil.PASS, Spoil.PASS, Spoil.CUT_BEFORE]

    assert await take_pairs.run(far, None) == ["a", "b", "c"]
    assert sorted(calls) == ["take a", "take b", "take c", "take c"]


@pytest.mark.parametrize("spoil", [Spoil.CUT_BEFORE, Spoil.CUT_AFTER])
async def test_a_branch_whose_commit_is_cut_takes_effect_once(far: Scope, scope: Scope, proxy: Proxy, spoil: Spoil):
    @workflow("take-pair", version=1)
    async def take_pair(data: None) -> list[str]:
        return [slot.name for slot in await parallel(take_slot(Slot(name="a")), take_slot(Slot(name="b")))]

    proxy.spoils = [spoil]

    assert await take_pair.run(far, None) == ["a", "b"]
    assert await slots(scope) == ["a", "b"]
    assert await runs(scope) == [("take-pair", "done", None)]


async def test_a_failed_branch_undoes_the_others_when_the_run_fails(scope: Scope, calls: Calls):
    @step("decline-when-taken", external=True)
    async def decline_when_taken(ctx: StepContext) -> None:
        while not await slots(ctx.scope):  # noqa: ASYNC110, rows
            await asyncio.sleep(0.01)
        raise CardDeclined

    @workflow("take-and-charge", version=1)
    async def take_and_charge(data: None) -> None:
        await parallel(take_slot(Slot(name="a")), decline_when_taken())

    with pytest.raises(CardDeclined):
        await take_and_charge.run(scope, None)

    assert calls == ["take a", "give back a"]
    assert await slots(scope) == []


async def test_only_steps_and_children_are_branches(scope: Scope):
    @workflow("nest", version=1)
    async def nest(data: None) -> None:
        await parallel(parallel(take_slot(Slot(name="a"))), take_slot(Slot(name="b")))

    with pytest.raises(ConfigurationError, match="not parallel"):
        await nest.run(scope, None)


async def test_a_group_that_is_not_awaited_fails_the_run(scope: Scope, calls: Calls):
    @workflow("forget", version=1)
    async def forget(data: None) -> None:
        parallel(take_slot(Slot(name="a")), take_slot(Slot(name="b")))

    with pytest.raises(CallNotAwaited, match="parallel"):
        await forget.run(scope, None)

    assert calls == []


async def test_no_branches_at_all_are_no_work(scope: Scope):
    @workflow("nothing", version=1)
    async def nothing(data: None) -> int:
        none: list[Call[Slot]] = []
        return len(await parallel(*none))

    assert await nothing.run(scope, None) == 0
