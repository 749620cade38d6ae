"""A run that is to be undone by steps that no process knows: it is seen, and somebody can end it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import LiteralString

import pytest
from msgspec import structs

from core.app import Application
from core.container import Scope
from core.workflow import Runs, RunStateConflict, StepContext, Workflow, step, workflow

from .conftest import CLOCKWORK, application_at
from .slots import Calls, Slot, SlotForbidden, slots, take_slot
from .test_gauges import read
from .test_waiting import until

PATIENT = structs.replace(CLOCKWORK, undo_pause_seconds=60)


class Mood:
    """Whether glue comes off."""

    sticks = True


@pytest.fixture(autouse=True)
def mood() -> type[Mood]:
    Mood.sticks = True
    return Mood


def glued() -> Workflow[None, None]:
    """A workflow of which only those processes know the steps that know itself."""

    @step("glue-of-old")
    async def glue(ctx: StepContext) -> None: ...

    @glue.compensate
    async def unglue(ctx: StepContext, _: None) -> None:
        ctx.resolve(Calls).append("unglue")
        if Mood.sticks:
            raise ConnectionError

    @workflow("glue-of-old", version=1)
    async def glue_of_old(data: None) -> None:
        await take_slot(Slot(name="a"))
        await glue()
        raise SlotForbidden

    return glue_of_old


@asynccontextmanager
async def process(url: str, calls: Calls, *workflows: Workflow[None, None]) -> AsyncGenerator[Application]:
    app = application_at(url, calls, clockwork=PATIENT)
    for each in workflows:
        app.workflows.registry.learn(each)
    async with app.running():
        yield app


async def until_left(scope: Scope, statement: LiteralString) -> None:
    async with asyncio.timeout(10):
        while not await scope.session.sql(statement):  # noqa: ASYNC110, a row
            await asyncio.sleep(0.01)


async def left(url: str, calls: Calls) -> str:
    """A run of which an undo is tried again in a minute, by whoever knows it."""
    definition = glued()
    async with process(url, calls, definition) as app, app.scope() as scope:
        run = await definition.start(scope, None)
        await until_left(scope, "SELECT id FROM workflow_run WHERE owner IS NULL AND due_at > now()")
        async with scope.transaction() as transaction:
            await transaction.sql("UPDATE workflow_run SET due_at = now(), created_at = created_at - interval '90 s'")
        return run.id


async def let_go(app: Application, scope: Scope) -> None:
    """Have a process find out that it does not know the step."""
    assert await app.workflows.sweep() == 1
    await until_left(scope, "SELECT id FROM workflow_run WHERE owner IS NULL AND due_at IS NULL")


async def test_what_nobody_can_undo_is_late(url: str, calls: Calls):
    await left(url, calls)
    async with process(url, calls) as app, app.scope() as scope:
        await let_go(app, scope)

        lag = await read(app, "workflow_due_lag_seconds")

    assert lag is not None
    assert 90 <= lag < 100


async def test_what_nobody_can_undo_is_given_up_and_retried_where_the_code_is(url: str, calls: Calls):
    run_id = await left(url, calls)
    async with process(url, calls) as app, app.scope() as scope:
        await let_go(app, scope)
        await scope.resolve(Runs).compensate(run_id)
        await until(scope, "compensation_failed")
        assert calls == ["take a", "unglue", "give back a"]
        run = await scope.resolve(Runs).retrieve(run_id)
    assert {entry.path: entry.error and entry.error.detail for entry in run.entries if entry.kind == "undo"} == {
        "1:undo": None,
        "2:undo": "no compensation of step glue-of-old is known here",
    }

    Mood.sticks = False
    async with process(url, calls, glued()) as app, app.scope() as scope:
        await scope.resolve(Runs).retry(run_id)
        await until(scope, "compensated")
        assert await slots(scope) == []
    assert calls == ["take a", "unglue", "give back a", "unglue"]


async def test_a_run_whose_undos_are_known_is_not_given_up(url: str, calls: Calls):
    run_id = await left(url, calls)
    async with process(url, calls, glued()) as app, app.scope() as scope:
        with pytest.raises(RunStateConflict, match="by steps that are known here: there is nothing to give up"):
            await scope.resolve(Runs).compensate(run_id)
        assert (await scope.resolve(Runs).retrieve(run_id)).status == "compensating"
