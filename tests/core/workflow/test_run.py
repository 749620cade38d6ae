"""The handle of a run that was started: what its caller hears, and when."""

import asyncio
from datetime import timedelta

import pytest

from core.app import Application
from core.container import Scope
from core.errors import InvalidData
from core.workflow import (
    IdempotencyMismatch,
    Retry,
    Run,
    RunInProgress,
    RunNotFound,
    Runs,
    StepContext,
    StepFailed,
    step,
    workflow,
)
from core.workflow.retention import purge_finished

from .slots import (
    SOMEBODY_WAITS,
    Calls,
    Names,
    Slot,
    SlotForbidden,
    TakeThenFail,
    runs,
    slots,
    take_one,
    take_slot,
    take_then_fail,
)
from .test_waiting import take_when_told, until

MOMENT = timedelta(milliseconds=50)


async def test_e1_a_run_without_retention_is_gone_once_it_is_done_and_another_is_kept(scope: Scope, app: Application):
    @workflow("take-and-forget", version=1, retention=timedelta(0))
    async def take_and_forget(data: Names) -> int:
        for name in data.names:
            await take_slot(Slot(name=name))
        return len(data.names)

    assert await take_and_forget.run(scope, Names(["a"])) == 1
    assert await runs(scope) == []
    assert await take_and_forget.run(scope, Names(["b", "c"])) == 2
    await take_one.run(scope, Slot(name="d"))

    # Whoever waits for it still finds its answer for a moment.
    assert await purge_finished(scope) == 0
    app.clock.set_offset(timedelta(minutes=2))
    assert await purge_finished(scope) == 1

    assert await slots(scope) == ["a", "b", "c", "d"]
    assert await runs(scope) == [("take-one", "done", None)]
    assert await scope.session.sql("SELECT run_id FROM workflow_step") == []


async def test_e7_an_external_step_of_a_started_run_is_tried_three_times_and_compensated(scope: Scope, calls: Calls):
    @step("dial", external=True, retry=Retry(attempts=3, backoff=timedelta(milliseconds=1)))
    async def dial(ctx: StepContext) -> None:
        ctx.resolve(Calls).append(f"dial {ctx.attempt} {ctx.token}")
        raise ConnectionError

    @dial.compensate
    async def hang_up(ctx: StepContext, nothing: None) -> None:
        ctx.resolve(Calls).append(f"hang up {ctx.done_token}")

    @workflow("dial", version=1)
    async def take_and_dial(data: None) -> None:
        await take_slot(Slot(name="a"))
        await dial()

    run = await take_and_dial.start(scope, None)

    with pytest.raises(StepFailed, match="ConnectionError"):
        await run.result()
    token = f"{run.id}:2"
    dialled = [f"dial {attempt} {token}" for attempt in (1, 2, 3)]
    assert calls == ["take a", *dialled, f"hang up {token}", "give back a"]
    assert await runs(scope) == [("dial", "compensated", None)]


async def test_e13_a_watcher_hears_the_end_of_a_run_exactly_once(scope: Scope, app: Application):
    heard: list[str] = []
    run = await take_when_told.start(scope, Names(["a"]))
    watchers = [run.watch(heard.append) for _ in range(2)]
    await until(scope, "waiting")
    assert heard == []

    await scope.resolve(Runs).signal(run.id, "name", "b")
    await asyncio.gather(*watchers)
    assert heard == ["done"] * 2

    await scope.resolve(Runs).cancel(run.id)
    await until(scope, "cancelled")
    assert heard == ["done"] * 2
    await run.watch(heard.append)
    assert heard == ["done", "done", "cancelled"]


async def test_a_watcher_that_is_cancelled_hears_nothing(scope: Scope):
    heard: list[str] = []
    run = await take_when_told.start(scope, Names(["a"]))
    watcher = run.watch(heard.append)
    await until(scope, "waiting")
    watcher.cancel()
    await asyncio.wait([watcher])

    await scope.resolve(Runs).signal(run.id, "name", "b")
    await run.result()

    assert heard == []


async def test_a_caller_waits_no_longer_than_it_said_and_may_ask_again(scope: Scope, calls: Calls):
    run = await take_when_told.start(scope, Names(["a"]))
    with pytest.raises(RunInProgress) as caught:
        await run.result(wait=MOMENT)
    assert caught.value.data == {"run_id": run.id}
    with pytest.raises(RunInProgress):
        await run.watch(print, wait=MOMENT)

    await scope.resolve(Runs).signal(run.id, "name", "b")
    assert [await run.result() for _ in range(2)] == [["a", "b"]] * 2
    assert calls == ["take a", "take b"]


async def test_the_result_of_a_run_that_was_deleted_is_not_found(scope: Scope, app: Application):
    run = await take_one.start(scope, Slot(name="a"))
    await run.result()
    app.clock.set_offset(timedelta(days=8))
    await purge_finished(scope)
    with pytest.raises(RunNotFound):
        await run.result()
    with pytest.raises(RunNotFound):
        await run.watch(print)


async def test_a_run_is_started_with_the_transaction_of_its_caller(scope: Scope, calls: Calls):
    lost: list[Run[Slot]] = []

    async def start_and_fail() -> None:
        async with scope.transaction():
            lost.append(await take_one.start(scope, Slot(name="a"), key="k"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await start_and_fail()
    with pytest.raises(RunNotFound):
        await lost[0].result()

    async with scope.transaction():
        run = await take_one.start(scope, Slot(name="b"), key="k")
        assert await runs(scope) == [("take-one", "queued", "k")]
        assert calls == []

    assert run.id != lost[0].id
    assert await run.result() == Slot(name="b")
    assert await slots(scope) == ["b"]


async def test_a_key_starts_one_run_whoever_comes_second(scope: Scope, app: Application, calls: Calls):
    async def begin() -> str:
        async with app.scope() as own:
            return (await take_one.start(own, Slot(name="a"), key="k")).id

    ids = {*await asyncio.gather(*(begin() for _ in range(5)))}

    assert len(ids) == 1
    assert await take_one.run(scope, Slot(name="a"), key="k") == Slot(name="a")
    assert scope.replayed
    assert {await begin()} == ids
    assert calls == ["take a"]


async def test_a_key_with_other_input_starts_nothing_and_leaves_the_transaction_usable(scope: Scope):
    await take_one.start(scope, Slot(name="a"), key="k")
    async with scope.transaction():
        with pytest.raises(IdempotencyMismatch):
            await take_one.start(scope, Slot(name="b"), key="k")
        other = await take_one.start(scope, Slot(name="b"), key="other")
    assert await other.result() == Slot(name="b")


async def test_a_key_that_another_transaction_gives_up_starts_a_run(scope: Scope, app: Application):
    begun, second = asyncio.Event(), asyncio.Event()

    async def give_up() -> None:
        async with app.scope() as own, own.transaction():
            await take_one.start(own, Slot(name="lost"), key="k")
            begun.set()
            await second.wait()
            raise ZeroDivisionError

    first = asyncio.create_task(give_up())
    await begun.wait()
    starting = asyncio.create_task(take_one.start(scope, Slot(name="a"), key="k"))
    async with asyncio.timeout(5), app.scope() as own:
        while not await own.session.sql(SOMEBODY_WAITS):  # noqa: ASYNC110, a lock
            await asyncio.sleep(0.01)
    second.set()

    assert await (await starting).result() == Slot(name="a")
    with pytest.raises(ZeroDivisionError):
        await first


async def test_what_was_started_and_fails_says_so_with_its_own_error(scope: Scope):
    run = await take_then_fail.start(scope, TakeThenFail(["a"], "forbidden"), key="k")
    for _ in range(2):
        with pytest.raises(SlotForbidden, match="not this one"):
            await run.result()
    again = await take_then_fail.start(scope, TakeThenFail(["a"], "forbidden"), key="k")
    assert again.id == run.id


async def test_a_key_is_free_again_when_what_was_started_ends_in_an_error_that_is_not_remembered(scope: Scope):
    run = await take_then_fail.start(scope, TakeThenFail(["a"], "taken"), key="k")
    with pytest.raises(Exception, match="somebody else's"):
        await run.result()
    again = await take_then_fail.start(scope, TakeThenFail(["a"], "taken"), key="k")
    assert again.id != run.id


async def test_an_input_of_the_wrong_type_starts_nothing(scope: Scope):
    with pytest.raises(InvalidData):
        await take_one.start(scope, "a")  # pyright: ignore[reportArgumentType]
    assert await runs(scope) == []


async def test_a_run_that_is_taken_up_during_a_sweep_is_driven_once(scope: Scope, app: Application):
    started = [await take_one.start(scope, Slot(name=f"s{number}")) for number in range(5)]

    async def keep_sweeping() -> None:
        while True:
            await app.workflows.sweep()

    async def begin(number: int) -> None:
        async with app.scope() as own:
            started.append(await take_one.start(own, Slot(name=f"t{number}")))

    sweeping = asyncio.create_task(keep_sweeping())
    for tens in range(0, 100, 10):
        await asyncio.gather(*(begin(tens + number) for number in range(10)))
    await asyncio.gather(*(run.result() for run in started))
    sweeping.cancel()
    await asyncio.wait([sweeping])

    assert await scope.session.sql("SELECT max(epoch), max(takeovers) FROM workflow_run") == [(1, 0)]
