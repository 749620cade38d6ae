"""Runs that cannot be driven here: parked, left to others, or tried again later; the others are driven all the same."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from msgspec import Raw
from structlog.testing import capture_logs

from core.app import Application
from core.config import Config, Database, Engine
from core.container import Scope
from core.workflow import Retry, Runs, StepContext, step, sweep, workflow
from core.workflow.codec import ErrorData, encode, hash_of
from core.workflow.journal import Entry, Undo

from .conftest import application_at
from .slots import Calls, Names, Slot, slots, take_slot

GIVEN = encode(Names(["a"]), "names")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@step("number")
async def number(ctx: StepContext) -> int:
    return 1


@workflow("number-and-take", version=1)
async def number_and_take(data: Names) -> int:
    found = await number()
    await take_slot(Slot(name="a"))
    return found


@workflow("inner", version=1)
async def inner(data: Names) -> int:
    await take_slot(Slot(name="inner"))
    return 1


@step(
    "run-inner",
    external=True,
    retry=Retry(attempts=2, backoff=timedelta(milliseconds=50)),
    timeout=timedelta(seconds=5),
)
async def run_inner(ctx: StepContext) -> int:
    return await inner.run(ctx.scope, Names(["a"]), wait=timedelta(seconds=4))


@workflow("outer", version=1)
async def outer(data: Names) -> int:
    return await run_inner()


@pytest.fixture
async def app(url: str, calls: Calls) -> AsyncGenerator[Application]:
    config = application_at(url, calls).config
    app = Application(
        type(config)(database=Database(url=url, pool_size=1), engine=Engine(beat_seconds=3600, grace_seconds=5)),
        modules=[],
        workflows=[number_and_take, inner, outer],
    )
    app.container.register(Calls, lambda _scope: calls)
    async with app.running():
        yield app


def entry(path: str, step: str, kind: str, value: str = "null", **more: object) -> Entry:
    given = hash_of(b"[[],{}]").hex() if kind == "transactional" else ""
    filled = Entry(path=path, step=step, kind=kind, ended_at=NOW, duration_ms=1, value=Raw(value), input_hash=given)
    return msgspec.structs.replace(filled, **more)


async def leave(
    scope: Scope,
    run_id: str,
    workflow: str = "number-and-take",
    *,
    given: str = GIVEN.decode(),
    entries: str | list[Entry] = "[]",
    status: str = "running",
    key: str | None = None,
) -> None:
    """Store a run that nobody drives."""
    stored = entries if isinstance(entries, str) else msgspec.json.encode(entries).decode()
    async with scope.transaction() as transaction:
        await transaction.sql(
            """INSERT INTO workflow_run
                (id, workflow, version, status, input_hash, input, context, entries, key, created_at)
            VALUES (%s, %s, 1, %s, %s, %s::jsonb, '{}', %s::jsonb, %s, now())""",
            (run_id, workflow, status, hash_of(GIVEN), given, stored, key),
        )


async def stored(scope: Scope) -> dict[str, tuple[str, str | None]]:
    """Status and owner of each run."""
    rows = await scope.session.sql("SELECT id, status, owner FROM workflow_run")
    return {run_id: (status, owner) for run_id, status, owner in rows}


async def until_idle(*run_ids: str) -> None:
    """Wait until nothing drives these runs."""
    async with asyncio.timeout(10):
        while {task.get_name() for task in asyncio.all_tasks()} & {*run_ids}:  # noqa: ASYNC110, other tasks
            await asyncio.sleep(0.01)


async def test_a_recorded_value_that_does_not_fit_any_more_parks_the_run(app: Application, scope: Scope):
    await leave(scope, "r", entries=[entry("1", "number", "transactional", '"text"')])

    assert await app.workflows.sweep() == 1
    await until_idle("r")

    assert await stored(scope) == {"r": ("nondeterministic", None)}
    [(detail,)] = await scope.session.sql("SELECT error ->> 'detail' FROM workflow_run")
    assert "the result of step number does not fit its annotation" in detail
    assert await app.workflows.sweep() == 0


async def test_an_input_that_does_not_fit_any_more_parks_the_run(app: Application, scope: Scope):
    await leave(scope, "r", given='{"names": 1}')

    assert await app.workflows.sweep() == 1
    await until_idle("r")

    assert await stored(scope) == {"r": ("nondeterministic", None)}


async def test_a_run_that_cannot_be_driven_is_reported_and_left_alone_for_a_while(app: Application, scope: Scope):
    await leave(scope, "r", entries='[{"path": 1}]')
    with capture_logs() as logs:
        assert await app.workflows.sweep() == 1
        await until_idle("r")
        assert await app.workflows.sweep() == 0

        async with asyncio.timeout(10):
            while await app.workflows.sweep() == 0:  # noqa: ASYNC110, time itself
                await asyncio.sleep(0.05)
        await until_idle("r")

    told = [(line["log_level"], line["again_in"]) for line in logs if line["event"] == "recovery_failed"]
    assert told == [("error", 1), ("error", 2)]


async def test_a_run_that_cannot_be_driven_time_and_again_is_parked(
    app: Application, scope: Scope, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sweep, "PAUSE_BEFORE_PARKING", 1.0)
    await leave(scope, "r")
    async with scope.transaction() as transaction:
        await transaction.sql("""
            CREATE TRIGGER refuse_the_end BEFORE UPDATE ON workflow_run FOR EACH ROW WHEN (NEW.status = 'done')
            EXECUTE FUNCTION refuse()""")
    try:
        assert await app.workflows.sweep() == 1
        await until_idle("r")
    finally:
        async with scope.transaction() as transaction:
            await transaction.sql("DROP TRIGGER refuse_the_end ON workflow_run")

    assert (await stored(scope))["r"] == ("nondeterministic", None)
    [(detail,)] = await scope.session.sql("SELECT error ->> 'detail' FROM workflow_run")
    assert detail.startswith("run r cannot be driven: ")

    await scope.resolve(Runs).retry("r")
    async with asyncio.timeout(10):
        while (await stored(scope))["r"][0] != "done":
            await app.workflows.sweep()
            await asyncio.sleep(0.05)


async def test_a_run_whose_undo_is_not_known_here_is_left_to_others(app: Application, scope: Scope):
    undo = Undo("1", "from-elsewhere", Raw(b'"a"'))
    done = entry("1", "from-elsewhere", "transactional", undo=undo)
    failure = entry("0", "number-and-take", "failure", undos=[undo], error=ErrorData("test_slot_forbidden", "x", {}))
    await leave(scope, "r", entries=[done, failure], status="compensating")

    with capture_logs() as logs:
        assert await app.workflows.sweep() == 1
        await until_idle("r")

        assert await stored(scope) == {"r": ("compensating", None)}
        assert await app.workflows.sweep() == 0
    [warning] = [line for line in logs if line["event"] == "run_left_to_others"]
    assert "from-elsewhere" in warning["error"]


async def test_a_row_that_cannot_be_read_does_not_keep_the_others_waiting(url: str, calls: Calls, scope: Scope):
    two = application_at(url, calls)
    two = Application(two.config, modules=[], workflows=[number_and_take])
    two.container.register(Calls, lambda _scope: calls)
    async with two.running():
        await leave(scope, "r1", given="[" * 2000 + "]" * 2000)
        await leave(scope, "r2")

        with capture_logs() as logs:
            assert await two.workflows.sweep() == 1
            await until_idle("r2")

        assert (await stored(scope))["r2"][0] == "done"
        assert await slots(scope) == ["a"]
    assert [line["run_id"] for line in logs if line["event"] == "recovery_failed"] == ["r1"]


async def test_a_run_that_waits_for_another_lost_one_does_not_starve_it(app: Application, scope: Scope):
    await leave(scope, "r1", "outer")
    await leave(scope, "r2", "inner", key="r1:1/1")

    assert await app.workflows.sweep() == 2  # one turn; the other run is taken up by who waits
    await until_idle("r1", "r2")

    assert {status for status, _ in (await stored(scope)).values()} == {"done"}
    assert await slots(scope) == ["inner"]


async def test_a_run_that_waited_long_for_its_turn_is_left_to_who_has_claimed_it_meanwhile(
    url: str, scope: Scope, calls: Calls
):
    gate = asyncio.Event()

    @step("hold-turn", external=True)
    async def hold_turn(ctx: StepContext) -> None:
        calls.append("hold")
        await gate.wait()

    @workflow("hold-turn", version=1)
    async def hold_the_turn(data: Names) -> None:
        await hold_turn()

    lease = 0.4
    clockwork = Engine(beat_seconds=0.1, lease_seconds=lease, grace_seconds=5)
    config = Config(database=Database(url=url, pool_size=1), engine=clockwork)
    hasty = Application(config, modules=[], workflows=[hold_the_turn, number_and_take])
    hasty.container.register(Calls, lambda _scope: calls)
    await leave(scope, "r1", hold_the_turn.id)
    await leave(scope, "r2")
    async with hasty.running():
        async with asyncio.timeout(10):
            while not calls:  # noqa: ASYNC110, another task's doing
                await asyncio.sleep(0.01)
        async with scope.transaction() as transaction:
            await transaction.sql(
                """INSERT INTO workflow_process (id, host, pid, started_at, beat_at, clock_offset)
                VALUES ('other', 'h', 1, now(), now() + interval '1 hour', interval '0')"""
            )
            await transaction.sql("UPDATE workflow_run SET epoch = epoch + 1, owner = 'other' WHERE id = 'r2'")
        await asyncio.sleep(lease * 0.75)
        gate.set()
        await until_idle("r1", "r2")

    assert await stored(scope) == {"r1": ("done", None), "r2": ("running", "other")}
    assert calls == ["hold"]


async def test_processes_that_died_long_ago_and_left_nothing_are_forgotten(app: Application, scope: Scope):
    async with scope.transaction() as transaction:
        await transaction.sql(
            """INSERT INTO workflow_process (id, host, pid, started_at, beat_at, clock_offset)
            SELECT id, 'h', 1, now(), now() - ago, interval '0'
            FROM (VALUES ('old', interval '1 hour'), ('owner', interval '1 hour'), ('recent', interval '1 minute'))
                AS dead (id, ago)"""
        )
    await leave(scope, "r", "unknown-workflow")
    async with scope.transaction() as transaction:
        await transaction.sql("UPDATE workflow_run SET owner = 'owner'")

    await app.workflows.sweep()

    known = {id for (id,) in await scope.session.sql("SELECT id FROM workflow_process")}
    assert known == {"owner", "recent", app.heartbeat.process_id}
