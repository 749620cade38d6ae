"""What can be done to a run from outside, in each of its states."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import nullcontext, suppress
from datetime import timedelta
from typing import Any

import pytest

from core.app import Application
from core.config import Engine
from core.container import Scope
from core.testing import replay_after_every_call
from core.workflow import (
    Nondeterministic,
    PermanentFailure,
    Retry,
    Run,
    RunCancelled,
    RunNotFound,
    Runs,
    RunStateConflict,
    RunTimedOut,
    StepContext,
    Workflow,
    WorkflowFailed,
    parallel,
    signal,
    sleep,
    start,
    step,
    wait_for,
    workflow,
)

from .conftest import application_at
from .slots import Calls, Names, Slot, SlotForbidden, runs, slots, take_slot
from .test_waiting import LONG, take_when_told, until


class Moods(dict[str, bool]):
    """Whether an undo is in the mood to work."""


MOODS = Moods()


@step("glue")
async def glue(ctx: StepContext, name: str) -> str:
    return name


@glue.compensate
async def unglue(ctx: StepContext, name: str) -> None:
    ctx.resolve(Calls).append(f"unglue {name} {ctx.attempt}")
    if not MOODS.get(name):
        raise PermanentFailure(f"{name} sticks") if MOODS.get("for good") else ConnectionError(f"{name} sticks")


@workflow("glue-and-fail", version=1)
async def glue_and_fail(data: Names) -> None:
    for name in data.names:
        await take_slot(Slot(name=name))
        await glue(name)
    raise SlotForbidden


@pytest.fixture(autouse=True)
def moods() -> Moods:
    MOODS.clear()
    return MOODS


async def test_e6_a_run_that_could_not_be_undone_is_retried_by_hand(scope: Scope, calls: Calls, moods: Moods):
    moods.update({"for good": True, "b": True})
    with pytest.raises(SlotForbidden):
        await glue_and_fail.run(scope, Names(["a", "b"]))
    run_id = await until(scope, "compensation_failed")
    calls.clear()
    moods["a"] = True

    await scope.resolve(Runs).retry(run_id)

    await until(scope, "compensated")
    assert calls == ["unglue a 1"]
    assert await slots(scope) == []
    with pytest.raises(RunStateConflict, match="nothing to retry"):
        await scope.resolve(Runs).retry(run_id)


@pytest.fixture
async def patient(url: str, calls: Calls) -> AsyncGenerator[Application]:
    """An application that tries a failed undo again after a minute."""
    app = application_at(url, calls, clockwork=Engine(beat_seconds=3600, undo_pause_seconds=60))
    app.workflows.registry.learn(glue_and_fail)
    async with app.running():
        yield app


async def until_due(scope: Scope) -> str:
    """Wait until the one run is left to itself for a while; return its id."""
    async with asyncio.timeout(10):
        while True:
            for (id,) in await scope.session.sql("SELECT id FROM workflow_run WHERE owner IS NULL AND due_at > now()"):
                return id
            await asyncio.sleep(0.01)


async def test_e6_an_undo_that_waits_for_its_next_attempt_is_retried_at_once(
    patient: Application, calls: Calls, moods: Moods
):
    async with patient.scope() as scope:
        await glue_and_fail.start(scope, Names(["a"]))
        run_id = await until_due(scope)
        moods["a"] = True

        await scope.resolve(Runs).retry(run_id)

        await until(scope, "compensated")
        assert calls == ["take a", "unglue a 1", "unglue a 1", "give back a"]


async def test_e6_a_childs_undo_that_waits_for_its_next_attempt_is_retried_at_once(
    patient: Application, calls: Calls, moods: Moods
):
    @workflow("catch-glue", version=1)
    async def catch_glue(data: Names) -> str:
        with suppress(SlotForbidden):
            await glue_and_fail(data)
        return "caught"

    async with patient.scope() as scope:
        run = await catch_glue.start(scope, Names(["a"]))
        assert await until_due(scope) == run.id
        moods["a"] = True

        await scope.resolve(Runs).retry(run.id)

        assert await run.result() == "caught"
        assert await slots(scope) == []


@pytest.mark.parametrize("replayed", [False, True])
async def test_a_body_does_not_go_on_when_a_child_could_not_be_undone(
    scope: Scope, calls: Calls, moods: Moods, replayed: bool
):
    @workflow("go-on", version=1)
    async def go_on(data: Names) -> str:
        await take_slot(Slot(name="before"))
        with suppress(SlotForbidden):
            await glue_and_fail(data)
        await take_slot(Slot(name="after"))
        return "caught"

    with pytest.raises(SlotForbidden), replay_after_every_call() if replayed else nullcontext():
        await go_on.run(scope, Names(["a", "b"]))

    run_id = await until(scope, "compensation_failed")
    assert calls[:3] == ["take before", "take a", "take b"]
    assert [call for call in calls[3:] if not call.startswith("unglue")] == [
        *["give back b", "give back a", "give back before"],
    ]
    calls.clear()
    moods.update({"a": True, "b": True})
    await scope.resolve(Runs).retry(run_id)
    await until(scope, "compensated")
    assert calls == ["unglue b 1", "unglue a 1"]


async def test_a_body_does_not_go_on_when_a_stopped_branch_could_not_be_undone(
    scope: Scope, calls: Calls, moods: Moods
):
    glued = asyncio.Event()

    @step("fail-when-glued", external=True)
    async def fail_when_glued(ctx: StepContext) -> None:
        await glued.wait()
        raise SlotForbidden

    @step("stand-still")
    async def stand_still(ctx: StepContext) -> None:
        glued.set()
        await asyncio.sleep(60)

    @workflow("glue-and-stand", version=1)
    async def glue_and_stand(data: None) -> None:
        await glue("a")
        await stand_still()

    @workflow("go-on", version=1)
    async def go_on(data: None) -> str:
        with suppress(SlotForbidden):
            await parallel(glue_and_stand(None), fail_when_glued())
        return "caught"

    moods["for good"] = True
    with pytest.raises(SlotForbidden):
        await go_on.run(scope, None)

    assert await runs(scope) == [("go-on", "compensation_failed", None)]
    assert calls == ["unglue a 1"]


async def test_nothing_can_be_done_to_a_run_that_does_not_exist(scope: Scope):
    service = scope.resolve(Runs)
    for act in (service.cancel, service.retry, service.compensate):
        with pytest.raises(RunNotFound):
            await act("run_none")


async def test_a_queued_run_is_cancelled_before_it_has_begun(scope: Scope, calls: Calls):
    async with scope.transaction():
        run = await take_when_told.start(scope, Names(["a"]))
        assert await scope.resolve(Runs).cancel(run.id)
    with pytest.raises(RunCancelled):
        await run.result()
    assert calls == []
    assert await runs(scope) == [("take-when-told", "cancelled", None)]


async def test_a_sleeping_run_is_cancelled_at_once(scope: Scope, calls: Calls):
    @workflow("sleep-long", version=1)
    async def sleep_long(data: Names) -> None:
        await take_slot(Slot(name="a"))
        await parallel(sleep_child(Names(["b"])), sleep_child(Names(["c"])))

    @workflow("sleep-child", version=1)
    async def sleep_child(data: Names) -> None:
        await take_slot(Slot(name=data.names[0]))
        await sleep(LONG)

    run = await sleep_long.start(scope, Names([]))
    await until(scope, "waiting")
    assert await scope.resolve(Runs).cancel(run.id)
    with pytest.raises(RunCancelled):
        await run.result()
    assert await slots(scope) == []
    assert calls[-1] == "give back a"


async def told(data: Names) -> list[str]:
    await take_slot(Slot(name=data.names[0]))
    return [await wait_for("name", str)]


async def told_otherwise(data: Names) -> list[str]:
    await take_slot(Slot(name=data.names[0]))
    return [await wait_for("surname", str)]


async def told_in_time(data: Names) -> list[str]:
    await take_slot(Slot(name=data.names[0]))
    return [await wait_for("name", str, timeout=LONG)]


async def not_told(data: Names) -> list[str]:
    await take_slot(Slot(name=data.names[0]))
    return []


async def told_after_a_sleep(data: Names) -> list[str]:
    await take_slot(Slot(name=data.names[0]))
    await sleep(LONG)
    return [await wait_for("name", str)]


Body = Callable[[Names], Coroutine[Any, Any, list[str]]]


def deploy(app: Application, body: Body) -> Workflow[Names, list[str]]:
    """Let the application have other code for the same version, as after a careless deployment."""
    changed = workflow("told", version=1)(body)
    app.workflows.registry.definitions["told", 1] = changed
    return changed


async def park(app: Application, scope: Scope, body: Body = told_otherwise) -> str:
    """Leave a run whose code was changed while it waited; return its id."""
    run = await deploy(app, told).start(scope, Names(["a"]))
    await until(scope, "waiting")
    deploy(app, body)
    await scope.resolve(Runs).retry(run.id)
    with pytest.raises(Nondeterministic):
        await run.result()
    return run.id


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (told_otherwise, "step at 2: the journal has wait:name, the body wait:surname"),
        (told_in_time, "input_hash at 2"),
        (not_told, "the journal has 2:begun, which the body did not call"),
        (told_after_a_sleep, "step at 2: the journal has wait:name, the body sleep"),
    ],
)
async def test_another_wait_than_the_journal_has_parks_the_run(app: Application, scope: Scope, body: Body, says: str):
    run_id = await park(app, scope, body)

    run = await scope.resolve(Runs).retrieve(run_id)
    assert run.status == "nondeterministic"
    assert run.error is not None
    assert says in run.error.detail


async def test_e6_a_parked_run_goes_on_when_its_code_is_mended(app: Application, scope: Scope, calls: Calls):
    run_id = await park(app, scope)
    mended = deploy(app, told)

    await scope.resolve(Runs).signal(run_id, "name", "x")
    await scope.resolve(Runs).retry(run_id)

    assert await Run(app.container, app.workflows, run_id, mended).result() == ["x"]
    assert calls == ["take a"]


async def test_a_parked_run_is_cancelled_or_given_up_by_its_journal(app: Application, scope: Scope, calls: Calls):
    await scope.resolve(Runs).cancel(await park(app, scope))
    await until(scope, "cancelled")

    await scope.resolve(Runs).compensate(await park(app, scope))
    await until(scope, "compensated")

    assert calls == ["take a", "give back a"] * 2
    assert await slots(scope) == []


@pytest.fixture
async def quick(url: str, calls: Calls) -> AsyncGenerator[Application]:
    """An application whose heart beats fast."""
    app = application_at(url, calls, clockwork=Engine(beat_seconds=0.05))
    async with app.running():
        yield app


@pytest.mark.parametrize("external", [True, False])
async def test_a_run_is_cancelled_while_a_step_pauses_for_long(quick: Application, calls: Calls, external: bool):
    async def knock(ctx: StepContext) -> None:
        ctx.resolve(Calls).append("knock")
        raise ConnectionError

    patience = Retry(attempts=5, backoff=LONG, on=(ConnectionError,))
    knocking = step("knock", external=True, retry=patience) if external else step("knock", retry=patience)
    knocked = knocking(knock)

    @workflow("knock", version=1)
    async def knock_on(data: None) -> None:
        await take_slot(Slot(name="a"))
        await knocked()

    async with quick.scope() as scope:
        run = await knock_on.start(scope, None)
        async with asyncio.timeout(10):
            while "knock" not in calls:  # noqa: ASYNC110, a list of calls
                await asyncio.sleep(0.01)
        await scope.resolve(Runs).cancel(run.id)

        with pytest.raises(RunCancelled):
            await run.result(wait=timedelta(seconds=5))
        assert calls == ["take a", "knock", "give back a"]
        assert await runs(scope) == [("knock", "cancelled", None)]


async def test_a_waiting_run_is_given_up_by_its_journal(scope: Scope, calls: Calls):
    run = await take_when_told.start(scope, Names(["a"]))
    await until(scope, "waiting")

    await scope.resolve(Runs).compensate(run.id)

    with pytest.raises(WorkflowFailed, match="given up while it was waiting"):
        await run.result()
    assert calls == ["take a", "give back a"]
    assert await runs(scope) == [("take-when-told", "compensated", None)]
    with pytest.raises(RunStateConflict, match="nothing to give up"):
        await scope.resolve(Runs).compensate(run.id)


async def test_a_key_is_free_again_when_its_run_was_cancelled(scope: Scope, calls: Calls):
    run = await take_when_told.start(scope, Names(["a"]), key="k")
    await until(scope, "waiting")
    await scope.resolve(Runs).cancel(run.id)
    with pytest.raises(RunCancelled):
        await run.result()

    again = await take_when_told.start(scope, Names(["a"]), key="k")

    assert again.id != run.id
    await scope.resolve(Runs).signal(again.id, "name", "b")
    assert await again.result() == ["a", "b"]


async def test_what_a_run_had_started_is_cancelled_with_it_also_when_that_is_done(app: Application, scope: Scope):
    app.workflows.registry.learn(take_when_told)

    @workflow("start-and-wait", version=1)
    async def start_and_wait(data: None) -> None:
        done = await start(take_when_told, Names(["a"]))
        await signal(done, "name", "b")
        await start(take_when_told, Names(["c"]))
        await wait_for("never", str)

    run = await start_and_wait.start(scope, None)
    async with asyncio.timeout(10):
        while sorted(run[1] for run in await runs(scope)) != ["done", "waiting", "waiting"]:  # noqa: ASYNC110, rows
            await asyncio.sleep(0.01)
    await scope.resolve(Runs).cancel(run.id)
    async with asyncio.timeout(10):
        while {run[1] for run in await runs(scope)} != {"cancelled"}:  # noqa: ASYNC110, rows
            await asyncio.sleep(0.01)

    assert await slots(scope) == []


async def test_a_deadline_ends_a_pause_between_attempts(scope: Scope, calls: Calls):
    @step("knock-in-time", external=True, retry=Retry(attempts=5, backoff=LONG))
    async def knock_in_time(ctx: StepContext) -> None:
        ctx.resolve(Calls).append("knock")
        raise ConnectionError

    @workflow("knock-in-time", version=1, timeout=timedelta(seconds=0.3))
    async def knock_once(data: None) -> None:
        await take_slot(Slot(name="a"))
        await knock_in_time()

    with pytest.raises(RunTimedOut):
        await knock_once.run(scope, None)

    assert calls == ["take a", "knock", "give back a"]
    assert await runs(scope) == [("knock-in-time", "compensated", None)]


async def test_a_deadline_is_what_it_was_when_the_run_began(app: Application, scope: Scope):
    app.workflows.registry.definitions["told", 1] = limited = workflow("told", version=1, timeout=LONG)(told)
    run = await limited.start(scope, Names(["a"]))
    await until(scope, "waiting")
    deploy(app, told)
    app.clock.set_offset(2 * LONG)

    with pytest.raises(RunTimedOut):
        await run.result()
    assert await slots(scope) == []
