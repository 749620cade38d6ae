"""What a body may do: await engine calls, each once, and nothing else."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from core.container import Scope
from core.workflow import (
    CallNotAwaited,
    ForeignAwait,
    StepContext,
    StepFailed,
    StepOutsideBody,
    WorkflowFailed,
    step,
    workflow,
)

from .slots import Calls, Names, Slot, SlotForbidden, commits, count_slots, runs, slots, take_slot


async def test_t1_steps_run_in_order_and_each_sees_its_first_attempt_and_its_token(scope: Scope):
    @step("look")
    async def look(ctx: StepContext) -> tuple[int, str, str]:
        return ctx.attempt, ctx.token, ctx.run_id

    @workflow("look-twice", version=1)
    async def look_twice(data: None) -> list[tuple[int, str, str]]:
        return [await look(), await look()]

    (first, first_token, run_id), (second, second_token, _) = await look_twice.run(scope, None)

    assert (first, second) == (1, 1)
    assert (first_token, second_token) == (f"{run_id}:1", f"{run_id}:2")


async def test_t3_a_step_after_a_failed_one_is_never_called(scope: Scope, calls: Calls):
    @workflow("take-twice", version=1)
    async def take_twice(data: None) -> None:
        await take_slot(Slot(name="a"))
        await take_slot(Slot(name="a"))
        await take_slot(Slot(name="b"))

    with pytest.raises(Exception, match="UniqueViolation"):
        await take_twice.run(scope, None)

    assert calls == ["take a", "take a", "give back a"]


async def test_c13_a_branch_that_is_not_taken_runs_nothing_and_may_be_taken_later(scope: Scope, calls: Calls):
    @workflow("take-if-named", version=1)
    async def take_if_named(data: Names) -> int:
        if data.names:
            await take_slot(Slot(name=data.names[0]))
        return len(data.names)

    assert await take_if_named.run(scope, Names([])) == 0
    assert calls == []
    assert await take_if_named.run(scope, Names(["a"])) == 1
    assert calls == ["take a"]


async def test_c6_runs_side_by_side_do_not_mix(scope: Scope):
    @workflow("take-both", version=1)
    async def take_both(data: Names) -> list[str]:
        return [(await take_slot(Slot(name=name))).name for name in data.names]

    inputs = [[f"{run}-{number}" for number in range(3)] for run in range(8)]
    results = await asyncio.gather(*(take_both.run(scope, Names(names)) for names in inputs))

    assert results == inputs
    assert await runs(scope) == [("take-both", "done", None)] * 8


async def nap() -> None:
    await asyncio.sleep(0.001)


async def gather_steps() -> None:
    await asyncio.gather(take_slot(Slot(name="x")), take_slot(Slot(name="y")))


async def wait_on_a_queue() -> None:
    await asyncio.Queue[int]().get()


@pytest.mark.parametrize("wait", [nap, gather_steps, wait_on_a_queue])
async def test_awaiting_anything_but_a_step_fails_the_run_and_says_where(
    scope: Scope, calls: Calls, wait: Callable[[], Coroutine[Any, Any, None]]
):
    swallowed: list[BaseException] = []

    @workflow("wander", version=1)
    async def wander(data: None) -> None:
        await take_slot(Slot(name="a"))
        try:
            await wait()
        except BaseException as error:  # noqa: BLE001, what a careless body does
            swallowed.append(error)

    with pytest.raises(ForeignAwait) as caught:
        await wander.run(scope, None)

    line = inspect.getsourcelines(wait)[1] + 1
    assert f"{__file__}:{line} awaits" in caught.value.detail
    assert [type(error) for error in swallowed] == [GeneratorExit]
    assert calls == ["take a", "give back a"]
    await asyncio.sleep(0)  # what `gather` has started is cancelled before it takes effect
    assert await slots(scope) == []


async def with_timeout() -> None:
    async with asyncio.timeout(1):
        await take_slot(Slot(name="x"))


async def with_task_group() -> None:
    async with asyncio.TaskGroup():
        await take_slot(Slot(name="x"))


@pytest.mark.parametrize("enter", [with_timeout, with_task_group])
async def test_a_time_out_or_a_task_group_in_a_body_fails_at_once(
    scope: Scope, calls: Calls, enter: Callable[[], Coroutine[Any, Any, None]]
):
    @workflow("enter", version=1)
    async def enter_it(data: None) -> None:
        await enter()

    with pytest.raises(WorkflowFailed, match="RuntimeError"):
        await enter_it.run(scope, None)

    assert calls == []


async def test_a_step_cannot_be_made_a_task(scope: Scope, calls: Calls):
    @workflow("make-a-task", version=1)
    async def make_a_task(data: None) -> None:
        asyncio.create_task(take_slot(Slot(name="a")))  # pyright: ignore[reportArgumentType]  # noqa: RUF006, it fails

    with pytest.raises(WorkflowFailed, match="TypeError"):
        await make_a_task.run(scope, None)

    assert calls == []


async def test_a_helper_started_as_a_task_cannot_await_steps(scope: Scope, calls: Calls):
    tasks: list[asyncio.Task[None]] = []

    async def helper() -> None:
        await take_slot(Slot(name="a"))

    @workflow("start-a-helper", version=1)
    async def start_a_helper(data: None) -> None:
        tasks.append(asyncio.create_task(helper()))

    await start_a_helper.run(scope, None)
    [task] = tasks

    with pytest.raises(StepOutsideBody):
        await task
    assert calls == []


async def test_a_call_that_is_not_awaited_fails_the_run(scope: Scope, calls: Calls):
    @workflow("forget", version=1)
    async def forget(data: None) -> None:
        await take_slot(Slot(name="a"))
        take_slot(Slot(name="b"))

    with pytest.raises(CallNotAwaited, match="step take-slot"):
        await forget.run(scope, None)

    assert calls == ["take a", "give back a"]
    assert await commits(scope) == 2


async def test_a_call_is_awaited_once(scope: Scope, calls: Calls):
    @workflow("await-twice", version=1)
    async def await_twice(data: None) -> None:
        call = take_slot(Slot(name="a"))
        await call
        await call

    with pytest.raises(StepOutsideBody, match="a second time"):
        await await_twice.run(scope, None)

    assert calls == ["take a", "give back a"]


async def test_a_step_inside_a_step_is_refused(scope: Scope, calls: Calls):
    @step("outer")
    async def outer(ctx: StepContext) -> None:
        await take_slot(Slot(name="a"))

    @workflow("nest", version=1)
    async def nest(data: None) -> None:
        await outer()

    with pytest.raises(StepOutsideBody):
        await nest.run(scope, None)

    assert calls == []


async def test_a_step_outside_of_any_workflow_is_refused():
    with pytest.raises(StepOutsideBody, match="outside of a workflow body"):
        await take_slot(Slot(name="a"))


@pytest.mark.parametrize("wait", [nap, lambda: take_slot(Slot(name="late"))], ids=["foreign", "step"])
async def test_finally_runs_when_a_body_is_dropped_and_takes_no_effect(
    scope: Scope, calls: Calls, wait: Callable[[], Awaitable[Any]]
):
    @workflow("tidy-up", version=1)
    async def tidy_up(data: None) -> None:
        await take_slot(Slot(name="a"))
        try:
            await nap()
        finally:
            calls.append("finally")
            await wait()

    with pytest.raises(ForeignAwait):
        await tidy_up.run(scope, None)

    assert calls == ["take a", "finally", "give back a"]
    assert await runs(scope) == [("tidy-up", "compensated", None)]


@pytest.mark.parametrize("error", [ValueError("tripped"), SystemExit(3)])
async def test_an_error_in_finally_does_not_hide_why_a_body_was_dropped(scope: Scope, error: BaseException):
    @workflow("trip-while-tidying", version=1)
    async def trip_while_tidying(data: None) -> None:
        try:
            await nap()
        finally:
            raise error

    with pytest.raises(ForeignAwait):
        await trip_while_tidying.run(scope, None)


async def test_a_body_has_no_current_task_when_it_is_dropped_either(scope: Scope):
    tasks: list[object] = []

    @workflow("look-around", version=1)
    async def look_around(data: None) -> None:
        try:
            await nap()
        finally:
            tasks.append(asyncio.current_task())

    with pytest.raises(ForeignAwait):
        await look_around.run(scope, None)

    assert tasks == [None]


async def test_a_step_has_a_current_task(scope: Scope):
    @step("limited")
    async def limited(ctx: StepContext) -> int:
        async with asyncio.timeout(5):
            [(one,)] = await ctx.scope.session.sql("SELECT 1")
        return one

    @workflow("limit", version=1)
    async def limit(data: None) -> int:
        return await limited()

    assert await limit.run(scope, None) == 1


async def test_a_cancellation_that_a_body_raises_by_itself_is_a_failure(scope: Scope, calls: Calls):
    @workflow("cancel-itself", version=1)
    async def cancel_itself(data: None) -> None:
        await take_slot(Slot(name="a"))
        raise asyncio.CancelledError

    with pytest.raises(WorkflowFailed, match="CancelledError"):
        await cancel_itself.run(scope, None)

    assert calls == ["take a", "give back a"]


async def test_a_cancellation_that_a_step_raises_by_itself_is_its_failure(scope: Scope, calls: Calls):
    @step("wait-for-a-lost-task")
    async def wait_for_a_lost_task(ctx: StepContext) -> None:
        lost = asyncio.ensure_future(asyncio.sleep(60))
        lost.cancel()
        await lost

    @workflow("lose-a-task", version=1)
    async def lose_a_task(data: None) -> None:
        await take_slot(Slot(name="a"))
        await wait_for_a_lost_task()

    with pytest.raises(Exception, match="CancelledError"):
        await lose_a_task.run(scope, None)

    assert calls == ["take a", "give back a"]
    assert await runs(scope) == [("lose-a-task", "compensated", None)]


class Unusual(BaseException):
    """Not an `Exception`, as some libraries' are."""


@pytest.mark.parametrize("error", [SystemExit(3), Unusual("odd")])
@pytest.mark.parametrize("in_step", [True, False])
async def test_what_is_no_exception_fails_the_run_and_not_the_process(
    scope: Scope, calls: Calls, error: BaseException, in_step: bool
):
    @step("give-up-everything", read=True)
    async def give_up_everything(ctx: StepContext) -> None:
        raise error

    @workflow("give-up-everything", version=1)
    async def give_up(data: None) -> None:
        await take_slot(Slot(name="a"))
        await count_slots()
        if in_step:
            await give_up_everything()
        raise error

    with pytest.raises(StepFailed if in_step else WorkflowFailed, match=type(error).__name__):
        await give_up.run(scope, None)

    assert calls == ["take a", "count", "give back a"]
    assert await runs(scope) == [("give-up-everything", "compensated", None)]


async def test_two_steps_with_one_id_in_a_run_are_refused(scope: Scope, calls: Calls):
    @step("take-slot")
    async def impostor(ctx: StepContext) -> None:
        raise SlotForbidden

    @workflow("mix-up", version=1)
    async def mix_up(data: None) -> None:
        await take_slot(Slot(name="a"))
        await impostor()

    with pytest.raises(Exception, match="two steps"):
        await mix_up.run(scope, None)

    assert calls == []
