"""Runs that their processes die with: driven a few at a time, and parked when it has happened too often."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest
from msgspec import Raw

from core.app import Application
from core.config import Config, Database, Engine, Jobs
from core.container import Scope
from core.workflow import PoisonRun, Run, RunInProgress, Runs, StepContext, step, workflow
from core.workflow.codec import ErrorData, encode
from core.workflow.journal import Entry, Undo
from core.workflow.recovery import SUSPECTED

from .slots import Calls, Slot, slots, take_slot
from .test_dispatch import Hints
from .test_gauges import read
from .test_unfit_runs import entry, leave, stored, until_idle

POISONED = 6


class Gate:
    """What runs stand before; `open_for` so many of those that arrived first."""

    arrived = 0
    open_for = 0


@step("stand", external=True)
async def stand(ctx: StepContext) -> None:
    gate = ctx.resolve(Gate)
    gate.arrived += 1
    number = gate.arrived
    while number > gate.open_for:  # noqa: ASYNC110, the test's
        await asyncio.sleep(0.01)


@workflow("stand-and-take", version=1)
async def stand_and_take(data: Slot) -> Slot:
    await stand()
    return await take_slot(data)


@pytest.fixture
def gate() -> Gate:
    return Gate()


def application(url: str, calls: Calls, gate: Gate, jobs: Jobs) -> Application:
    config = Config(
        database=Database(url=url, pool_size=5),
        engine=Engine(beat_seconds=3600, lease_seconds=20, grace_seconds=1, poison_deaths=POISONED),
        jobs=jobs,
    )
    app = Application(config, modules=[], workflows=[stand_and_take], steps=[take_slot])
    app.container.register(Calls, lambda _scope: calls)
    app.container.register(Gate, lambda _scope: gate)
    return app


@pytest.fixture
async def app(url: str, calls: Calls, gate: Gate) -> AsyncGenerator[Application]:
    app = application(url, calls, gate, Jobs())
    async with app.running():
        yield app


async def leave_lost(
    scope: Scope, run_id: str, *, deaths: int, status: str = "running", entries: list[Entry] | None = None
) -> None:
    """Store a run whose process has died, as so many had before that one."""
    given = encode(Slot(name=run_id), "a slot").decode()
    await leave(scope, run_id, stand_and_take.id, given=given, status=status, entries=entries or [])
    async with scope.transaction() as transaction:
        query = "UPDATE workflow_run SET owner = 'dead', deaths = %s, input_hash = %s WHERE id = %s"
        await transaction.sql(query, (deaths, b"12345678", run_id))


async def deaths_of(scope: Scope, run_id: str) -> int:
    [(count,)] = await scope.session.sql("SELECT deaths FROM workflow_run WHERE id = %s", (run_id,))
    return count


async def until_arrived(gate: Gate, count: int) -> None:
    async with asyncio.timeout(10):
        while gate.arrived < count:  # noqa: ASYNC110, others' steps
            await asyncio.sleep(0.01)


async def test_a_run_that_processes_die_with_is_parked_and_can_be_driven_again(
    app: Application, scope: Scope, calls: Calls, gate: Gate
):
    await leave_lost(scope, "r", deaths=POISONED - 1)
    gate.open_for = 9

    await app.workflows.sweep()
    await until_idle("r")

    assert await stored(scope) == {"r": ("nondeterministic", None)}
    assert gate.arrived == 0
    found = await scope.resolve(Runs).retrieve("r")
    assert found.error is not None
    assert (found.error.code, found.error.detail) == (
        "poison_run",
        f"{POISONED} processes have died while they drove run r",
    )
    with pytest.raises(PoisonRun):
        await Run(app.container, app.workflows, "r", stand_and_take).result()

    await scope.resolve(Runs).retry("r")

    assert await Run(app.container, app.workflows, "r", stand_and_take).result() == Slot(name="r")
    assert calls == ["take r"]


async def test_a_run_that_processes_die_with_while_they_undo_it_is_not_undone_further(
    app: Application, scope: Scope, calls: Calls
):
    undo = Undo("2", take_slot.id, Raw(b'"r"'))
    done = entry("2", take_slot.id, "transactional", undo=undo)
    failure = entry("0", stand_and_take.id, "failure", undos=[undo], error=ErrorData("test_slot_forbidden", "x", {}))
    await leave_lost(scope, "r", deaths=POISONED - 1, status="compensating", entries=[done, failure])

    await app.workflows.sweep()
    await until_idle("r")

    assert await stored(scope) == {"r": ("compensation_failed", None)}
    assert calls == []

    await scope.resolve(Runs).retry("r")
    await until_idle("r")
    async with asyncio.timeout(10):
        while (await stored(scope))["r"][0] != "compensated":  # noqa: ASYNC110, a row
            await asyncio.sleep(0.01)
    assert calls == ["give back r"]


async def test_suspects_are_driven_a_few_at_a_time_and_more_with_each_lot_that_did_no_harm(
    app: Application, scope: Scope, gate: Gate
):
    for number in range(7):
        await leave_lost(scope, f"r{number}", deaths=SUSPECTED + (number == 0))
    await app.workflows.sweep()
    for arrived in (1, 3, 7):
        await until_arrived(gate, arrived)
        assert await app.workflows.sweep() == 0
        assert gate.arrived == arrived
        gate.open_for = arrived
    await until_idle(*(f"r{number}" for number in range(7)))
    assert len(await slots(scope)) == 7


async def test_a_run_whose_journal_grows_is_suspected_no_more(app: Application, scope: Scope, gate: Gate):
    await leave_lost(scope, "r", deaths=SUSPECTED + 1)

    await app.workflows.sweep()
    await until_arrived(gate, 1)

    assert await deaths_of(scope, "r") == 0
    gate.open_for = 9
    await until_idle("r")


async def test_an_api_process_drives_no_suspect_even_if_somebody_waits_for_it(
    url: str, calls: Calls, gate: Gate, scope: Scope
):
    api = application(url, calls, gate, Jobs(dispatcher=f"{Hints.__module__}:Hints"))
    await leave_lost(scope, "r", deaths=SUSPECTED)
    await leave_lost(scope, "s", deaths=SUSPECTED - 1)
    gate.open_for = 9
    async with api.running():
        assert await Run(api.container, api.workflows, "s", stand_and_take).result() == Slot(name="s")
        await api.workflows.sweep()
        with pytest.raises(RunInProgress):
            await Run(api.container, api.workflows, "r", stand_and_take).result(wait=timedelta(milliseconds=300))
    assert (await stored(scope))["r"] == ("running", "dead")


async def test_suspects_under_way_are_counted(app: Application, scope: Scope):
    await leave_lost(scope, "r1", deaths=SUSPECTED)
    await leave_lost(scope, "r2", deaths=SUSPECTED - 1)
    await leave_lost(scope, "r3", deaths=POISONED, status="nondeterministic")

    assert await read(app, "workflow_runs_suspected") == 1
