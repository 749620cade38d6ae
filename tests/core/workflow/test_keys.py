"""An idempotency key makes a call give its first answer again."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from core.app import Application
from core.container import Scope
from core.errors import InvalidData
from core.workflow import (
    IdempotencyMismatch,
    RunInProgress,
    StepContext,
    StepFailed,
    WorkflowFailed,
    step,
    workflow,
)

from .slots import (
    Calls,
    Names,
    Slot,
    SlotForbidden,
    SlotTaken,
    TakeThenFail,
    commits,
    count,
    runs,
    slots,
    take_one,
    take_slot,
    take_slots,
    take_then_fail,
)


async def test_e2_the_same_key_gives_the_first_answer_with_one_run(scope: Scope, calls: Calls):
    first = await take_one.run(scope, Slot(name="a", note="n"), key="k")
    assert not scope.replayed
    second = await take_one.run(scope, Slot(name="a", note="n"), key="k")

    assert scope.replayed
    assert first == second == Slot(name="a", note="n")
    assert calls == ["take a"]
    assert await runs(scope) == [("take-one", "done", "k")]
    assert await commits(scope) == 1


async def test_a_new_answer_after_a_replayed_one_is_not_replayed(scope: Scope):
    await take_one.run(scope, Slot(name="a"), key="k")
    await take_one.run(scope, Slot(name="a"), key="k")

    with pytest.raises(StepFailed) as caught:
        await take_one.run(scope, Slot(name="a"))

    assert not scope.replayed
    assert not caught.value.replayed


async def test_a_read_only_answer_is_remembered_too(scope: Scope):
    assert await count.run(scope, None, key="k") == 0
    await take_one.run(scope, Slot(name="a"))

    assert await count.run(scope, None, key="k") == 0
    assert await count.run(scope, None) == 1


async def test_the_same_key_with_other_input_is_refused(scope: Scope, calls: Calls):
    await take_one.run(scope, Slot(name="a"), key="k")

    with pytest.raises(IdempotencyMismatch):
        await take_one.run(scope, Slot(name="b"), key="k")

    assert calls == ["take a"]


async def test_a_key_belongs_to_one_workflow(scope: Scope):
    await take_one.run(scope, Slot(name="a"), key="k")

    assert await take_slots.run(scope, Names(["b"]), key="k") == ["b"]


@pytest.mark.parametrize("text", ["a\0", "\ud800"])
async def test_a_key_a_subject_or_a_context_that_cannot_be_stored_is_invalid(scope: Scope, calls: Calls, text: str):
    options: list[dict[str, Any]] = [{"key": text}, {"subject": text}, {"context": {"locale": text}}]
    for named in options:
        with pytest.raises(InvalidData):
            await take_one.run(scope, Slot(name="a"), **named)
        with pytest.raises(InvalidData):
            await take_one.start(scope, Slot(name="a"), **named)
    assert calls == []


async def test_e4_fifty_callers_with_one_key_have_one_effect_and_equal_answers(scope: Scope, app: Application):
    async def call() -> tuple[Slot, bool]:
        async with app.scope() as own:
            return await take_one.run(own, Slot(name="a"), key="k"), own.replayed

    answers = await asyncio.gather(*(call() for _ in range(50)))

    assert [slot for slot, _ in answers] == [Slot(name="a")] * 50
    assert [replayed for _, replayed in answers].count(False) == 1
    assert await runs(scope) == [("take-one", "done", "k")]
    assert await commits(scope) == 1


async def test_callers_with_one_key_whose_body_has_no_step_have_one_run(scope: Scope, app: Application):
    answers: list[int] = []

    @workflow("number-callers", version=1)
    async def number_callers(data: None) -> int:
        answers.append(len(answers))
        return answers[-1]

    async def call() -> int:
        async with app.scope() as own:
            return await number_callers.run(own, None, key="k")

    assert len({*await asyncio.gather(*(call() for _ in range(10)))}) == 1
    assert await runs(scope) == [("number-callers", "done", "k")]


async def test_callers_who_fail_because_of_the_winner_get_the_winners_answer(scope: Scope, app: Application):
    """All have looked the key up before the first one takes the slot; the second look finds the winner's row."""
    barrier = asyncio.Barrier(5)
    failures: list[str] = []

    @step("meet-and-take")
    async def meet_and_take(ctx: StepContext, name: str) -> str:
        await barrier.wait()
        await ctx.scope.session.writable("take").sql("INSERT INTO slot VALUES (%s, '')", (name,))
        return name

    @workflow("take-politely", version=1)
    async def take_politely(data: Slot) -> str:
        try:
            return await meet_and_take(data.name)
        except StepFailed as error:
            failures.append(error.error_type)
            raise SlotForbidden from error

    async def call() -> tuple[str, bool]:
        async with app.scope() as own:
            return await take_politely.run(own, Slot(name="a"), key="k"), own.replayed

    answers = await asyncio.gather(*(call() for _ in range(5)))

    assert sorted(answers) == [("a", False)] + [("a", True)] * 4
    assert failures == ["UniqueViolation"] * 4
    assert await runs(scope) == [("take-politely", "done", "k")]


async def test_a_failure_before_the_first_flush_leaves_nothing(scope: Scope, calls: Calls):
    for _ in range(2):
        with pytest.raises(SlotForbidden) as caught:
            await take_then_fail.run(scope, TakeThenFail([], "forbidden"), key="k")
        assert not caught.value.replayed

    assert calls == ["fail", "fail"]
    assert await runs(scope) == []


async def test_a_failure_after_a_flush_is_remembered(scope: Scope, calls: Calls):
    with pytest.raises(SlotForbidden) as first:
        await take_then_fail.run(scope, TakeThenFail(["a"], "forbidden"), key="k")
    with pytest.raises(SlotForbidden) as second:
        await take_then_fail.run(scope, TakeThenFail(["a"], "forbidden"), key="k")

    assert (first.value.replayed, second.value.replayed) == (False, True)
    assert scope.replayed
    assert first.value.detail == second.value.detail == "not this one"
    assert first.value.data == second.value.data == {"slot": "s", "at": 7}
    assert calls == ["take a", "fail", "give back a"]
    assert await runs(scope) == [("take-then-fail", "compensated", "k")]


@pytest.mark.parametrize(("error", "kind"), [("taken", SlotTaken), ("broken", StepFailed)])
async def test_a_conflict_or_a_breakdown_is_computed_anew(
    scope: Scope, calls: Calls, error: str, kind: type[Exception]
):
    for _ in range(2):
        with pytest.raises(kind):
            await take_then_fail.run(scope, TakeThenFail(["a"], error), key="k")

    assert calls == ["take a", "fail", "give back a"] * 2
    assert await runs(scope) == [("take-then-fail", "compensated", None)] * 2


async def test_a_body_that_breaks_down_is_computed_anew(scope: Scope):
    broken = True

    @workflow("recover", version=1)
    async def recover(data: Slot) -> Slot:
        slot = await take_slot(data)
        if broken:
            raise ZeroDivisionError
        return slot

    with pytest.raises(WorkflowFailed):
        await recover.run(scope, Slot(name="a"), key="k")
    broken = False

    assert await recover.run(scope, Slot(name="a"), key="k") == Slot(name="a")
    assert await runs(scope) == [("recover", "compensated", None), ("recover", "done", "k")]


async def test_a_caller_waits_for_the_run_that_has_the_key(scope: Scope, app: Application, calls: Calls):
    proceed = asyncio.Event()
    arrived = asyncio.Event()

    @step("hesitate")
    async def hesitate(ctx: StepContext) -> str:
        arrived.set()
        await proceed.wait()
        return "done"

    @workflow("take-and-hesitate", version=1)
    async def take_and_hesitate(data: Slot) -> str:
        await take_slot(data)
        return await hesitate()

    async with app.scope() as own:
        first = asyncio.create_task(take_and_hesitate.run(own, Slot(name="a"), key="k"))
        await arrived.wait()
        with pytest.raises(RunInProgress) as caught:
            await take_and_hesitate.run(scope, Slot(name="a"), key="k", wait=timedelta(seconds=0.2))
        second = asyncio.create_task(take_and_hesitate.run(scope, Slot(name="a"), key="k"))
        await asyncio.sleep(0)
        proceed.set()

        assert [await first, await second] == ["done", "done"]

    assert caught.value.retryable
    assert await scope.session.sql("SELECT id FROM workflow_run") == [(caught.value.data["run_id"],)]
    assert scope.replayed
    assert calls == ["take a"]


async def test_a_run_that_outlasts_its_caller_goes_on(scope: Scope):
    proceed = asyncio.Event()
    ended = asyncio.Event()

    @step("hesitate")
    async def hesitate(ctx: StepContext) -> str:
        await proceed.wait()
        ended.set()
        return "done"

    @workflow("hesitate", version=1)
    async def hesitate_once(data: None) -> str:
        return await hesitate()

    with pytest.raises(RunInProgress):
        await hesitate_once.run(scope, None, key="k", wait=timedelta(0))
    proceed.set()
    await ended.wait()

    assert await hesitate_once.run(scope, None, key="k") == "done"
    assert await runs(scope) == [("hesitate", "done", "k")]


async def test_a_cancelled_caller_does_not_stop_the_run(scope: Scope):
    proceed = asyncio.Event()
    arrived = asyncio.Event()

    @step("hesitate")
    async def hesitate(ctx: StepContext) -> str:
        arrived.set()
        await proceed.wait()
        return "done"

    @workflow("take-and-hesitate", version=1)
    async def take_and_hesitate(data: Slot) -> str:
        await take_slot(data)
        return await hesitate()

    caller = asyncio.create_task(take_and_hesitate.run(scope, Slot(name="a"), key="k"))
    await arrived.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    proceed.set()

    assert await take_and_hesitate.run(scope, Slot(name="a"), key="k") == "done"
    assert scope.replayed
    assert await slots(scope) == ["a"]
