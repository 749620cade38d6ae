"""A run that others have ended, and of which nothing is left, is not driven a second time."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from core.app import Application
from core.container import Scope
from core.errors import OutcomeUnknown
from core.workflow import Retry, Runs, StepContext, step, workflow

from .conftest import application_at
from .slots import Calls, Names, Slot, slots, take_slot
from .test_recovery import bury

GATE = asyncio.Event()


@step("call-out", external=True, retry=Retry(attempts=1))
async def call_out(ctx: StepContext) -> None:
    """The first call hangs."""
    calls = ctx.resolve(Calls)
    calls.append("call out")
    if calls.count("call out") == 1:
        await GATE.wait()


@workflow("take-call-take", version=1)
async def take_call_take(data: Names) -> None:
    await take_slot(Slot(name=data.names[0]))
    await call_out()
    await take_slot(Slot(name=data.names[1]))


@pytest.fixture
async def other(url: str, calls: Calls) -> AsyncGenerator[Application]:
    app = application_at(url, calls)
    app.workflows.registry.learn(take_call_take)
    async with app.running():
        yield app


async def test_a_process_that_was_away_for_long_does_not_do_again_what_was_done_and_deleted(
    app: Application, other: Application, scope: Scope, calls: Calls
):
    GATE.clear()
    running = asyncio.create_task(take_call_take.run(scope, Names(["a", "b"]), subject="cus_1"))
    async with asyncio.timeout(10):
        while not calls.count("call out"):  # noqa: ASYNC110, another task's doing
            await asyncio.sleep(0.01)
        await bury(scope, app)
        assert await other.workflows.sweep() == 1
        async with other.scope() as others:
            while await others.resolve(Runs).erase("cus_1") == 0:  # noqa: ASYNC110, a row
                await asyncio.sleep(0.01)
            # What has the names goes too, so that nothing but the run itself stands in the way of doing it again.
            async with others.transaction() as transaction:
                await transaction.sql("DELETE FROM slot")
    GATE.set()

    with pytest.raises(OutcomeUnknown, match="is not there any more"):
        await running

    assert calls == ["take a", "call out", "call out", "take b", "take b"]
    assert await slots(scope) == []
    assert await scope.session.sql("SELECT 1 FROM workflow_run") == []
