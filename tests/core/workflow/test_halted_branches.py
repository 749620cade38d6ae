"""What stops a run from outside meets what its branches and its next call are about."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from core.app import Application
from core.container import Scope
from core.workflow import (
    Nondeterministic,
    Retry,
    RunCancelled,
    Runs,
    RunTimedOut,
    StepContext,
    parallel,
    step,
    workflow,
)

from .proxy import Proxy, Spoil
from .slots import Calls, Slot, entries, runs, slots, take_slot
from .test_unfit_runs import until_idle


@step("linger", read=True)
async def linger(ctx: StepContext) -> None:
    await asyncio.sleep(60)


async def test_a_deadline_in_one_branch_hides_no_uncertain_commit_of_another(far: Scope, scope: Scope, proxy: Proxy):
    @workflow("linger-in-child", version=1)
    async def linger_in_child(data: None) -> None:
        await linger()

    @workflow("linger-beside-commit", version=1, timeout=timedelta(seconds=0.4))
    async def linger_beside_commit(data: None) -> None:
        await take_slot(Slot(name="a"))
        await parallel(linger_in_child(None), take_slot(Slot(name="b", note="slow")))

    proxy.spoils = [Spoil.PASS, Spoil.CUT_AFTER]
    with pytest.raises(RunTimedOut):
        await linger_beside_commit.run(far, None)

    assert await slots(scope) == []
    assert await runs(scope) == [("linger-beside-commit", "compensated", None)]
    assert {"1:undo", "2.2:undo"} <= {path for path, *_ in await entries(scope)}


@pytest.mark.parametrize("external", [True, False])
async def test_a_run_that_is_cancelled_makes_no_further_call(scope: Scope, calls: Calls, external: bool):
    @step("think-better")
    async def think_better(ctx: StepContext) -> None:
        await ctx.resolve(Runs).cancel(ctx.run_id)

    async def ask(ctx: StepContext) -> None:
        calls.append("ask then")

    async def unask(ctx: StepContext, asked: object) -> None:
        calls.append("unask")

    if external:
        ask_then = step("ask-then", external=True, retry=Retry(attempts=1))(ask)
        ask_then.compensate(unask)
    else:
        ask_then = step("ask-then")(ask)
        ask_then.compensate(unask)

    @workflow("ask-twice", version=1)
    async def ask_twice(data: None) -> None:
        await take_slot(Slot(name="a"))
        await think_better()
        await ask_then()

    with pytest.raises(RunCancelled):
        await ask_twice.run(scope, None)

    assert calls == ["take a", "give back a"]
    assert await runs(scope) == [("ask-twice", "cancelled", None)]


async def test_a_branch_that_the_body_makes_no_more_parks_the_run(app: Application, scope: Scope, calls: Calls):
    widths = iter([3, 2])
    gate = asyncio.Event()

    @step("stand-still", external=True, retry=Retry(attempts=1))
    async def stand_still(ctx: StepContext) -> None:
        calls.append("stand")
        await gate.wait()

    @workflow("narrow", version=1)
    async def narrow(data: None) -> None:
        await parallel(stand_still(), *(take_slot(Slot(name=str(n))) for n in range(next(widths))))

    running = asyncio.create_task(narrow.run(scope, None))
    running.add_done_callback(lambda task: task.exception())
    async with asyncio.timeout(10):
        while calls.count("stand") < 1 or len(await slots(scope)) < 3:  # noqa: ASYNC110, others' rows
            await asyncio.sleep(0.01)
        [(run_id,)] = await scope.session.sql("SELECT id FROM workflow_run")
        async with scope.transaction() as transaction:
            await transaction.sql("UPDATE workflow_run SET owner = NULL, epoch = epoch + 1")
        gate.set()
        with suppress(Nondeterministic):
            await running
        while (await runs(scope))[0][1] == "running":
            await app.workflows.sweep()
            await until_idle(run_id)
    assert await runs(scope) == [("narrow", "nondeterministic", None)]
    found = await scope.resolve(Runs).retrieve(run_id)
    assert found.error is not None
    assert found.error.detail == "the journal has 1.4, and the body makes 3 branches"
