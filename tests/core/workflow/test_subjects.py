"""Whom a run is about: what it starts is about the same person, and is erased with it."""

import pytest

from core.container import Scope
from core.workflow import Runs, StepContext, Workflow, start, step, workflow

from .slots import Names, runs, take_slots
from .test_waiting import until


@step("take-in-a-run", external=True)
async def take_in_a_run(ctx: StepContext, key: str | None) -> None:
    await take_slots.run(ctx.scope, Names(["b"]), key=key)


@step("take-for-another", external=True)
async def take_for_another(ctx: StepContext) -> None:
    await take_slots.run(ctx.scope, Names(["c"]), subject="cus_2")


@workflow("start-another", version=1)
async def start_another(data: None) -> None:
    await start(take_slots, Names(["a"]))


@workflow("run-another", version=1)
async def run_another(data: None) -> None:
    await take_in_a_run(None)


@workflow("run-another-with-a-key", version=1)
async def run_another_with_a_key(data: None) -> None:
    await take_in_a_run("k")


@workflow("run-for-another", version=1)
async def run_for_another(data: None) -> None:
    await take_for_another()


@pytest.fixture(params=[start_another, run_another, run_another_with_a_key])
def starts(request: pytest.FixtureRequest) -> Workflow[None, None]:
    return request.param


@pytest.mark.parametrize("queued", [True, False])
async def test_erasing_a_person_deletes_what_their_runs_have_started(
    scope: Scope, starts: Workflow[None, None], queued: bool
):
    if queued:
        await (await starts.start(scope, None, subject="cus_1")).result()
    else:
        await starts.run(scope, None, subject="cus_1")
    while [run[1] for run in await runs(scope)] != ["done", "done"]:
        await until(scope, "done")

    assert await scope.resolve(Runs).erase("cus_1") == 2

    assert await runs(scope) == []


async def test_a_run_may_be_about_another_person_than_the_one_that_starts_it(scope: Scope):
    await run_for_another.run(scope, None, subject="cus_1")

    assert await scope.resolve(Runs).erase("cus_1") == 1

    assert [run[0] for run in await runs(scope)] == ["take-slots"]


async def test_what_a_run_about_nobody_starts_is_about_nobody(scope: Scope):
    await run_another.run(scope, None)

    assert await scope.session.sql("SELECT DISTINCT subject FROM workflow_run") == [(None,)]
