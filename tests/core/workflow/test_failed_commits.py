"""A COMMIT that fails, or whose answer is lost: one effect, and the true answer."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

import psycopg
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from core.app import Application
from core.config import Database
from core.container import Scope
from core.errors import Busy, OutcomeUnknown
from core.workflow import RunInProgress, StepContext, StepFailed, step, workflow
from core.workflow.runner import REPLAYS

from .conftest import application_at
from .proxy import Proxy, Spoil
from .slots import (
    Calls,
    Names,
    Slot,
    SlotForbidden,
    TakeThenFail,
    commits,
    entries,
    runs,
    slots,
    take_one,
    take_slot,
    take_slots,
    take_then_fail,
)


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_commit_whose_answer_was_lost_counts(
    far: Scope, scope: Scope, proxy: Proxy, calls: Calls, key: str | None
):
    proxy.spoils = [Spoil.CUT_AFTER]

    assert await take_one.run(far, Slot(name="a"), key=key) == Slot(name="a")

    assert not far.replayed
    assert calls == ["take a"]
    assert await commits(scope) == 1
    assert await runs(scope) == [("take-one", "done", key)]


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_commit_that_never_arrived_is_repeated(
    far: Scope, scope: Scope, proxy: Proxy, calls: Calls, key: str | None
):
    proxy.spoils = [Spoil.CUT_BEFORE]

    assert await take_one.run(far, Slot(name="a"), key=key) == Slot(name="a")

    assert calls == ["take a", "take a"]
    assert await runs(scope) == [("take-one", "done", key)]
    assert await slots(scope) == ["a"]


@pytest.mark.parametrize("spoil", [Spoil.CUT_BEFORE, Spoil.CUT_AFTER])
@pytest.mark.parametrize("number", [0, 1, 2])
async def test_each_of_three_steps_takes_effect_once_whichever_commit_is_cut(
    far: Scope, scope: Scope, proxy: Proxy, calls: Calls, spoil: Spoil, number: int
):
    names = ["a", "b", "c"]
    proxy.spoils = [*[Spoil.PASS] * number, spoil]

    assert await take_slots.run(far, Names(names)) == names

    assert await slots(scope) == names
    repeated = [f"take {names[number]}"] if spoil is Spoil.CUT_BEFORE else []
    assert sorted(calls) == sorted(["take a", "take b", "take c", *repeated])
    assert await runs(scope) == [("take-slots", "done", None)]
    assert [path for path, *_ in await entries(scope)] == ["1", "2", "3"]


async def test_a_commit_that_keeps_failing_is_given_up_after_five_more(far: Scope, scope: Scope, proxy: Proxy):
    proxy.spoils = [Spoil.CUT_BEFORE] * 6

    with pytest.raises(Busy):
        await take_one.run(far, Slot(name="a"))

    assert proxy.spoils == []
    assert await slots(scope) == []
    assert await runs(scope) == []


async def test_a_run_that_has_a_row_is_in_progress_when_its_commits_keep_failing(
    far_app: Application, far: Scope, scope: Scope, proxy: Proxy
):
    proxy.spoils = [Spoil.PASS, *[Spoil.CUT_BEFORE] * 6]

    with pytest.raises(RunInProgress, match="taken up again"):
        await take_slots.run(far, Names(["a", "b"]))

    await far_app.workflows.sweep()
    async with asyncio.timeout(10):
        while await runs(scope) != [("take-slots", "done", None)]:  # noqa: ASYNC110, rows
            await asyncio.sleep(0.01)
    assert await slots(scope) == ["a", "b"]


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_commit_that_lands_late_wins_over_its_repetition(
    far: Scope, scope: Scope, proxy: Proxy, calls: Calls, key: str | None
):
    proxy.spoils = [Spoil.HOLD]

    run = asyncio.create_task(take_one.run(far, Slot(name="a"), key=key))
    await until_somebody_waits_for_a_lock(scope)
    proxy.release()

    assert await run == Slot(name="a")
    assert calls == ["take a", "take a"]
    assert await commits(scope) == 1
    assert await runs(scope) == [("take-one", "done", key)]


async def test_a_commit_that_lands_late_wins_in_the_middle_of_a_run(far: Scope, scope: Scope, proxy: Proxy):
    @workflow("take-either", version=1)
    async def take_either(data: None) -> list[str]:
        await take_slot(Slot(name="a"))
        try:
            await take_slot(Slot(name="b"))
        except StepFailed:
            return ["a"]
        await take_slot(Slot(name="c"))
        return ["a", "b", "c"]

    proxy.spoils = [Spoil.PASS, Spoil.HOLD]
    run = asyncio.create_task(take_either.run(far, None))
    await until_somebody_waits_for_a_lock(scope)
    proxy.release()

    assert await run == ["a", "b", "c"]
    assert await slots(scope) == ["a", "b", "c"]
    assert [entry[:3] for entry in await entries(scope)] == [
        (path, "take-slot", "transactional") for path in ("1", "2", "3")
    ]


async def until_somebody_waits_for_a_lock(scope: Scope) -> None:
    query = """
        SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    async with asyncio.timeout(5):
        while not await scope.session.sql(query):  # noqa: ASYNC110, the server's state
            await asyncio.sleep(0.01)


async def test_an_outcome_that_nothing_records_is_unknown(far: Scope, scope: Scope, proxy: Proxy):
    @workflow("take-unkept", version=1, retention=timedelta(0))
    async def take_unkept(data: Slot) -> Slot:
        return await take_slot(data)

    assert await take_unkept.run(far, Slot(name="a")) == Slot(name="a")
    assert await runs(scope) == []
    proxy.spoils = [Spoil.CUT_AFTER]
    with pytest.raises(OutcomeUnknown):
        await take_unkept.run(far, Slot(name="b"))

    assert await slots(scope) == ["a", "b"]
    assert await runs(scope) == []


async def test_an_unkept_run_of_two_steps_has_a_row_to_recover_by(far: Scope, scope: Scope, proxy: Proxy):
    @workflow("take-two-unkept", version=1, retention=timedelta(0))
    async def take_two_unkept(data: None) -> None:
        await take_slot(Slot(name="a"))
        await take_slot(Slot(name="b"))

    proxy.spoils = [Spoil.CUT_AFTER, Spoil.CUT_AFTER]
    await take_two_unkept.run(far, None)

    assert await slots(scope) == ["a", "b"]


async def test_waits_for_a_database_that_is_away_for_a_moment(far: Scope, scope: Scope, proxy: Proxy):
    proxy.spoils = [Spoil.CUT_AFTER]
    proxy.away = True
    with capture_logs() as logs:
        run = asyncio.create_task(take_one.run(far, Slot(name="a")))
        async with asyncio.timeout(5):
            while not any(line["event"] == "database_is_away" for line in logs):  # noqa: ASYNC110, a list of logs
                await asyncio.sleep(0.01)
        proxy.away = False
        assert await run == Slot(name="a")

    assert await slots(scope) == ["a"]


async def test_the_outcome_is_unknown_while_the_database_stays_away(far: Scope, scope: Scope, proxy: Proxy):
    proxy.spoils = [Spoil.CUT_AFTER]
    proxy.away = True

    with pytest.raises(OutcomeUnknown):
        await take_one.run(far, Slot(name="a"), key="k", wait=timedelta(seconds=0.5))
    proxy.away = False

    assert await take_one.run(far, Slot(name="a"), key="k") == Slot(name="a")
    assert await commits(scope) == 1


async def test_what_the_database_refuses_at_commit_is_the_steps_error(scope: Scope, calls: Calls):
    @workflow("take-another", version=1)
    async def take_another(data: None) -> str:
        await take_slot(Slot(name="a"))
        try:
            await take_slot(Slot(name="b", note="refuse taking"))
        except StepFailed as error:
            await take_slot(Slot(name="c"))
            return f"{error.step} {error.error_type}"
        return "nothing failed"

    assert await take_another.run(scope, None) == "take-slot CheckViolation"

    assert await slots(scope) == ["a", "c"]
    assert calls == ["take a", "take b", "take b", "take c"]
    assert await runs(scope) == [("take-another", "done", None)]
    assert await entries(scope) == [
        ("1", "take-slot", "transactional", None),
        ("2", "take-slot", "transactional", "step_failed"),
        ("3", "take-slot", "transactional", None),
    ]


async def test_a_step_refused_at_commit_fails_the_run_if_nobody_catches_it(scope: Scope, calls: Calls):
    with pytest.raises(StepFailed, match="slot a is refused"):
        await take_one.run(scope, Slot(name="a", note="refuse taking"), key="k")

    assert await slots(scope) == []
    assert await runs(scope) == []
    assert await commits(scope) == 0


async def test_a_step_that_swallowed_a_database_error_fails(scope: Scope, calls: Calls):
    @step("swallow")
    async def swallow(ctx: StepContext) -> str:
        try:
            await ctx.scope.session.writable("swallow").sql("SELECT 1 / 0")
        except psycopg.Error as error:
            return type(error).__name__
        return ""

    @workflow("swallow", version=1)
    async def swallow_once(data: None) -> str:
        await take_slot(Slot(name="a"))
        return await swallow()

    with pytest.raises(StepFailed, match="InFailedSqlTransaction"):
        await swallow_once.run(scope, None)

    assert calls == ["take a", "give back a"]


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
async def test_a_step_is_repeated_after_a_serialization_failure(scope: Scope, sqlstate: str):
    attempts: list[tuple[int, str]] = []

    @step("collide")
    async def collide(ctx: StepContext) -> int:
        attempts.append((ctx.attempt, ctx.token))
        if ctx.attempt < 3:
            await ctx.scope.session.writable("collide").sql("SELECT raise_state(%s)", (sqlstate,))
        return ctx.attempt

    @workflow("collide", version=1)
    async def collide_once(data: None) -> int:
        return await collide()

    assert await collide_once.run(scope, None, key="k") == 3

    assert [attempt for attempt, _ in attempts] == [1, 2, 3]
    assert len({token for _, token in attempts}) == 1
    [(stored,)] = await scope.session.sql("SELECT entries #>> '{0,attempts}' FROM workflow_run")
    assert stored == "3"


async def test_a_step_that_keeps_colliding_fails_after_five_attempts(scope: Scope):
    attempts: list[int] = []

    @step("collide")
    async def collide(ctx: StepContext) -> None:
        attempts.append(ctx.attempt)
        await ctx.scope.session.writable("collide").sql("SELECT raise_state('40001')")

    @workflow("collide", version=1)
    async def collide_once(data: None) -> None:
        await collide()

    with pytest.raises(StepFailed, match="SerializationFailure"):
        await collide_once.run(scope, None)

    assert attempts == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "55P03"])
async def test_a_step_is_repeated_when_its_commit_collides_or_gets_no_lock(scope: Scope, calls: Calls, sqlstate: str):
    assert await take_one.run(scope, Slot(name="a", note=sqlstate)) == Slot(name="a", note=sqlstate)

    assert calls == ["take a"] * 3
    assert await commits(scope) > 0
    assert await slots(scope) == ["a"]


async def test_a_connection_killed_between_two_steps_leaves_one_effect_of_each(scope: Scope, url: str, calls: Calls):
    kills: list[int] = []

    def kill_the_open_transaction() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute("""
                SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                WHERE datname = current_database() AND state = 'idle in transaction'""")
            kills.append(len(cursor.fetchall()))

    @workflow("take-through-a-kill", version=1)
    async def take_through_a_kill(data: None) -> None:
        await take_slot(Slot(name="a"))
        if not kills:
            kill_the_open_transaction()
        await take_slot(Slot(name="b"))

    await take_through_a_kill.run(scope, None)

    assert kills == [1]
    assert calls == ["take a", "take a", "take b"]
    assert await slots(scope) == ["a", "b"]


async def test_a_connection_lost_within_a_step_fails_the_step(scope: Scope, calls: Calls):
    @step("die")
    async def die(ctx: StepContext) -> None:
        await ctx.scope.session.writable("die").sql("SELECT pg_terminate_backend(pg_backend_pid())")

    @workflow("take-and-die", version=1)
    async def take_and_die(data: None) -> None:
        await take_slot(Slot(name="a"))
        await die()

    with pytest.raises(Busy):
        await take_and_die.run(scope, None)

    assert calls == ["take a", "give back a"]
    assert await runs(scope) == [("take-and-die", "compensated", None)]


@pytest.mark.parametrize(
    ("spoil", "undos"),
    [(Spoil.CUT_BEFORE, ["b", "b", "a"]), (Spoil.CUT_AFTER, ["b", "a"])],
    ids=["before", "after"],
)
async def test_an_undo_whose_commit_is_cut_takes_effect_once(
    far: Scope, scope: Scope, proxy: Proxy, calls: Calls, spoil: Spoil, undos: list[str]
):
    proxy.spoils = [Spoil.PASS, Spoil.PASS, Spoil.PASS, spoil]

    with pytest.raises(SlotForbidden) as caught:
        await take_then_fail.run(far, TakeThenFail(["a", "b"], "forbidden"))

    assert caught.value.data == {"slot": "s", "at": 7}
    assert calls == ["take a", "take b", "fail", *(f"give back {name}" for name in undos)]
    assert await slots(scope) == []
    assert await runs(scope) == [("take-then-fail", "compensated", None)]


async def test_the_note_of_a_failure_whose_commit_is_cut_is_written_again(
    far: Scope, scope: Scope, proxy: Proxy, calls: Calls
):
    proxy.spoils = [Spoil.PASS, Spoil.CUT_BEFORE]

    with pytest.raises(SlotForbidden):
        await take_then_fail.run(far, TakeThenFail(["a"], "forbidden"), key="k")

    assert calls == ["take a", "fail", "fail", "give back a"]
    assert await runs(scope) == [("take-then-fail", "compensated", "k")]


async def test_an_undo_that_loses_its_connection_is_repeated(scope: Scope):
    attempts: list[int] = []

    @step("mark")
    async def mark(ctx: StepContext) -> str:
        return "mark"

    @mark.compensate
    async def unmark(ctx: StepContext, what: str) -> None:
        attempts.append(ctx.attempt)
        if ctx.attempt == 1:
            await ctx.scope.session.writable("unmark").sql("SELECT pg_terminate_backend(pg_backend_pid())")

    @workflow("mark-and-fail", version=1)
    async def mark_and_fail(data: None) -> None:
        await mark()
        raise SlotForbidden

    with pytest.raises(SlotForbidden):
        await mark_and_fail.run(scope, None)

    assert attempts == [1, 2]
    assert await runs(scope) == [("mark-and-fail", "compensated", None)]


@pytest.fixture
async def hasty(url: str, calls: Calls) -> AsyncGenerator[Application]:
    """An application that waits for no lock for long."""
    config = application_at(url, calls).config
    app = Application(
        replace(config, database=Database(url=url, pool_size=5, lock_timeout_seconds=0.1)),
        modules=[],
        workflows=[take_by_and_by],
    )
    app.container.register(Calls, lambda _scope: calls)
    async with app.running():
        yield app


GATE = asyncio.Event()


@step("pass-gate", external=True)
async def pass_gate(ctx: StepContext) -> str:
    ctx.resolve(Calls).append("at the gate")
    await GATE.wait()
    return ctx.run_id


@workflow("take-by-and-by", version=1)
async def take_by_and_by(data: Names) -> list[str]:
    await take_slot(Slot(name="first"))
    await pass_gate()
    return [(await take_slot(Slot(name=name))).name for name in data.names]


async def until_called(calls: Calls, what: str, times: int) -> None:
    async with asyncio.timeout(20):
        while calls.count(what) < times:  # noqa: ASYNC110, another task's doing
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("tries", [3, 7])
async def test_a_run_whose_row_somebody_else_holds_for_a_while_is_not_undone(
    hasty: Application, scope: Scope, calls: Calls, tries: int
):
    GATE.clear()
    async with hasty.scope() as own:
        running = asyncio.create_task(take_by_and_by.run(own, Names(["a", "b"])))
        await until_called(calls, "at the gate", 1)
        async with scope.transaction() as outside:
            await outside.sql("SELECT id FROM workflow_run FOR UPDATE")
            GATE.set()
            await until_called(calls, "take a", min(tries, REPLAYS + 1))
            if tries > REPLAYS:
                with pytest.raises(RunInProgress):
                    await running
        if tries > REPLAYS:
            async with asyncio.timeout(20):
                while (await runs(scope))[0][1] != "done":
                    await hasty.workflows.sweep()
                    await asyncio.sleep(0.05)
        else:
            assert await running == ["a", "b"]

    assert await runs(scope) == [("take-by-and-by", "done", None)]
    assert sorted(await slots(scope)) == ["a", "b", "first"]
    assert not [call for call in calls if call.startswith("give back")]
