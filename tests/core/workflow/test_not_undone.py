"""Cancelling a run that could not be undone."""

import pytest

from core.app import Application
from core.container import Scope
from core.workflow import PermanentFailure, Runs, RunStateConflict, StepContext, sleep, start, step, workflow

from .slots import SlotForbidden, runs
from .test_waiting import LONG, until


@step("weld")
async def weld(ctx: StepContext) -> None: ...


@weld.compensate
async def cut(ctx: StepContext, _: None) -> None:
    raise PermanentFailure("it holds")


@workflow("weld-and-fail", version=1)
async def weld_and_fail(data: None) -> None:
    await weld()
    raise SlotForbidden


@workflow("start-to-weld", version=1)
async def start_to_weld(data: None) -> None:
    await start(weld_and_fail, None)
    await sleep(LONG)


async def test_cancelling_says_that_the_run_could_not_be_undone(scope: Scope):
    run = await weld_and_fail.start(scope, None)
    assert await until(scope, "compensation_failed") == run.id

    with pytest.raises(RunStateConflict, match="could not be undone: `retry` repeats the undos that failed"):
        await scope.resolve(Runs).cancel(run.id)

    assert await runs(scope) == [("weld-and-fail", "compensation_failed", None)]


async def test_a_run_is_undone_although_what_it_started_could_not_be(app: Application, scope: Scope):
    app.workflows.registry.learn(weld_and_fail)
    run = await start_to_weld.start(scope, None)
    await until(scope, "compensation_failed")

    await scope.resolve(Runs).cancel(run.id)

    await until(scope, "cancelled")
