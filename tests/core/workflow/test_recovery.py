"""Runs that nobody drives any more are taken over: continued, or undone to the end."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from core.app import Application
from core.config import Database, Engine
from core.container import Scope
from core.workflow import StepContext, Workflow, step, workflow

from .conftest import application_at, until_no_connection_is_out
from .payments import Charge, charge
from .slots import Calls, Names, Slot, SlotForbidden, runs, slots, take_slot


class Gates(dict[str, asyncio.Event]):
    """Steps stand still until their gate opens."""

    def __missing__(self, name: str) -> asyncio.Event:
        return self.setdefault(name, asyncio.Event())


GATES = Gates()


@pytest.fixture(autouse=True)
def gates() -> Gates:
    GATES.clear()
    return GATES


@step("pass-gate")
async def pass_gate(ctx: StepContext) -> str:
    ctx.resolve(Calls).append("at the gate")
    GATES["arrived"].set()
    await GATES["open"].wait()
    return "passed"


@step("unpass", external=True)
async def stick(ctx: StepContext) -> str:
    return "stuck"


@stick.compensate
async def unstick(ctx: StepContext, what: str | None) -> None:
    ctx.resolve(Calls).append("unstick")
    GATES["arrived"].set()
    await GATES["open"].wait()


@workflow("take-and-wait", version=1)
async def take_and_wait(data: Names) -> list[str]:
    for name in data.names:
        await take_slot(Slot(name=name))
    await charge(Charge(name="c"))
    return [*data.names, await pass_gate()]


@workflow("fail-and-stick", version=1)
async def fail_and_stick(data: Names) -> None:
    for name in data.names:
        await take_slot(Slot(name=name))
    await stick()
    raise SlotForbidden


Saga = Workflow[Names, list[str]] | Workflow[Names, None]
RECOVERABLE: list[Saga] = [take_and_wait, fail_and_stick]


def recovering(url: str, calls: Calls, workflows: list[Saga]) -> Application:
    config = application_at(url, calls).config
    app = Application(
        type(config)(database=Database(url=url, pool_size=5), engine=Engine(beat_seconds=3600, grace_seconds=5)),
        modules=[],
        workflows=workflows,
        steps=[take_slot, charge],
    )
    app.container.register(Calls, lambda _scope: calls)
    return app


@pytest.fixture
async def first(url: str, calls: Calls) -> AsyncGenerator[Application]:
    app = recovering(url, calls, RECOVERABLE)
    async with app.running():
        yield app


@pytest.fixture
async def second(url: str, calls: Calls) -> AsyncGenerator[Application]:
    app = recovering(url, calls, RECOVERABLE)
    async with app.running():
        yield app
    await until_no_connection_is_out(app)


async def begin(app: Application, saga: Saga, names: list[str]) -> None:
    """Run as far as the gate."""
    async with app.scope() as scope:
        task = asyncio.create_task(saga.run(scope, Names(names), key="k"))
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        async with asyncio.timeout(10):
            await GATES["arrived"].wait()
    GATES["arrived"].clear()


async def bury(scope: Scope, app: Application) -> None:
    """Let a process look dead: its row says that it has not beaten for a long time."""
    async with scope.transaction() as transaction:
        await transaction.sql(
            "UPDATE workflow_process SET beat_at = beat_at - interval '1 hour' WHERE id = %s",
            (app.heartbeat.process_id,),
        )


async def until_ended(scope: Scope, status: str) -> None:
    async with asyncio.timeout(10):
        while [run[1] for run in await runs(scope)] != [status]:  # noqa: ASYNC110, another process's row
            await asyncio.sleep(0.01)


async def test_l2_a_run_of_a_dead_process_goes_on_in_another_one(first: Application, second: Application, calls: Calls):
    await begin(first, take_and_wait, ["a"])
    async with second.scope() as scope:
        assert await second.workflows.sweep() == 0
        await bury(scope, first)

        assert await second.workflows.sweep() == 1
        GATES["open"].set()
        await until_ended(scope, "done")

        # The outcome of the charge waited for the next flush, so it is asked for again, by the same token.
        assert calls == ["take a", "charge c", "at the gate", "charge c", "at the gate"]
        assert await slots(scope) == ["a"]
        assert await take_and_wait.run(scope, Names(["a"]), key="k") == ["a", "passed"]
        [(epoch,)] = await scope.session.sql("SELECT epoch FROM workflow_run")
        assert epoch == 1


async def test_a_run_of_a_dead_process_that_compensates_is_undone_to_the_end(
    first: Application, second: Application, calls: Calls
):
    await begin(first, fail_and_stick, ["a", "b"])
    async with second.scope() as scope:
        await bury(scope, first)

        assert await second.workflows.sweep() == 1
        GATES["open"].set()
        await until_ended(scope, "compensated")

        assert calls[:3] == ["take a", "take b", "unstick"]
        assert calls.count("give back a") == calls.count("give back b") == 1
        assert calls.index("give back b") < calls.index("give back a")
        assert await slots(scope) == []


async def test_a_process_that_was_taken_for_dead_is_fenced_and_gives_the_true_answer(
    first: Application, second: Application, calls: Calls
):
    async with first.scope() as scope:
        slow = asyncio.create_task(take_and_wait.run(scope, Names(["a"])))
        await GATES["arrived"].wait()
        await bury(scope, first)
        assert await second.workflows.sweep() == 1
        GATES["open"].set()

        assert await slow == ["a", "passed"]

        assert await slots(scope) == ["a"]
        assert len(await runs(scope)) == 1
        paths = await scope.session.sql("SELECT path FROM workflow_step ORDER BY path")
        assert len(paths) == len({*paths})


async def test_a_process_that_stops_hands_over_at_once(first: Application, second: Application, calls: Calls):
    await begin(first, take_and_wait, ["a"])

    await first.workflows.close(0.01)

    async with second.scope() as scope:
        assert await scope.session.sql("SELECT owner FROM workflow_run") == [(None,)]
        assert await second.workflows.sweep() == 1
        GATES["open"].set()
        await until_ended(scope, "done")


async def test_a_run_whose_driver_died_is_taken_up_by_its_own_process(first: Application, calls: Calls):
    await begin(first, take_and_wait, ["a"])
    async with first.scope() as scope:
        assert await first.workflows.sweep() == 0
        [(run_id,)] = await scope.session.sql("SELECT id FROM workflow_run")
        [driver] = [task for task in asyncio.all_tasks() if task.get_name() == run_id]
        driver.cancel()
        await asyncio.wait([driver])

        assert await first.workflows.sweep() == 1
        GATES["open"].set()
        await until_ended(scope, "done")


async def test_a_process_that_was_late_itself_claims_nothing_from_others_for_a_lease(
    first: Application, second: Application, calls: Calls
):
    await begin(first, take_and_wait, ["a"])
    async with second.scope() as scope:
        await bury(scope, first)
        await bury(scope, second)

        assert await second.workflows.sweep() == 0
        await second.heartbeat.beat()
        assert second.heartbeat.patient
        assert await second.workflows.sweep() == 0

        await first.heartbeat.beat()
        GATES["open"].set()
        await until_ended(scope, "done")


async def test_a_run_without_code_here_is_left_alone(first: Application, url: str, calls: Calls):
    @workflow("take-and-wait", version=2)
    async def another_version(data: Names) -> list[str]:
        return data.names

    await begin(first, take_and_wait, ["a"])
    stranger = recovering(url, calls, [another_version])
    async with stranger.running(), stranger.scope() as scope:
        await bury(scope, first)
        assert await stranger.workflows.sweep() == 0
        GATES["open"].set()
        await until_ended(scope, "done")


async def test_a_compensating_run_is_undone_by_any_version(first: Application, url: str, calls: Calls):
    @workflow("fail-and-stick", version=2)
    async def another_version(data: Names) -> None: ...

    await begin(first, fail_and_stick, ["a"])
    other = recovering(url, calls, [another_version])
    async with other.running(), other.scope() as scope:
        await bury(scope, first)
        assert await other.workflows.sweep() == 1
        GATES["open"].set()
        await until_ended(scope, "compensated")
        assert await slots(scope) == []


async def test_two_sweeps_at_once_take_each_run_once(first: Application, second: Application, url: str, calls: Calls):
    third = recovering(url, calls, RECOVERABLE)
    async with third.running(), first.scope() as scope:
        tasks = [asyncio.create_task(take_and_wait.run(scope, Names([name]))) for name in ("a", "b", "c")]
        async with asyncio.timeout(10):
            while calls.count("at the gate") < 3:  # noqa: ASYNC110, a list of calls
                await asyncio.sleep(0.01)
        await bury(scope, first)

        assert sum(await asyncio.gather(second.workflows.sweep(), third.workflows.sweep())) == 3
        GATES["open"].set()

        assert sorted(await asyncio.gather(*tasks)) == [[name, "passed"] for name in ("a", "b", "c")]
        assert {run[1] for run in await runs(scope)} == {"done"}
        assert await slots(scope) == ["a", "b", "c"]
