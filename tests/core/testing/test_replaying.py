"""The mode that drops a body after every call, and journals that are followed without a database."""

import asyncio
import random
from pathlib import Path

import pytest
from msgspec import structs

from core.app import Application
from core.container import Scope
from core.errors import ConfigurationError
from core.testing import Journal, application_on, replay_after_every_call, replay_journal
from core.workflow import Nondeterministic, Runs, StepContext, now, parallel, step, wait_for, workflow

STARTS: list[str] = []


@step("add")
async def add(ctx: StepContext, number: int) -> int:
    return number + 1


@workflow("add-up", version=1)
async def add_up(data: int) -> int:
    STARTS.append("body")
    await now()
    first, second = await parallel(add(data), add_twice(data))
    return await add(first) + second


@workflow("add-twice", version=1)
async def add_twice(data: int) -> int:
    return await add(await add(data))


@workflow("wait-to-add", version=1)
async def wait_to_add(data: int) -> int:
    return await add(await wait_for("number", int))


async def recorded(scope: Scope, data: int = 1) -> Journal:
    """The journal of a run."""
    await add_up.run(scope, data)
    [run] = await scope.resolve(Runs).list()
    return Journal.of(await scope.resolve(Runs).retrieve(run.id))


async def test_the_body_starts_anew_after_every_call(scope: Scope):
    STARTS.clear()
    with replay_after_every_call():
        assert await add_up.run(scope, 1) == 6
    assert len(STARTS) == 4  # three calls, and the pass that gets to the end


@step("write-journal")
async def write_journal(ctx: StepContext, path: str, value: str) -> None:
    await ctx.scope.session.writable("write_journal").sql(
        "UPDATE workflow_step SET entry = jsonb_set(entry, '{value}', %s::jsonb) WHERE run_id = %s AND path = %s",
        (value, ctx.run_id, path),
    )


async def test_a_body_that_was_dropped_gets_what_the_database_has(scope: Scope):
    @workflow("add-and-write", version=1)
    async def add_and_write(data: int) -> int:
        second = await add(await add(data))
        await write_journal("2", "70")
        return second

    with replay_after_every_call():
        assert await add_and_write.run(scope, 1) == 70


async def test_a_child_in_a_branch_is_dropped_with_the_body_around_it(scope: Scope):
    @workflow("count-starts", version=1)
    async def count_starts(data: int) -> int:
        STARTS.append("child")
        return await add_twice(data)

    @workflow("count-in-branches", version=1)
    async def count_in_branches(data: int) -> tuple[int, int]:
        STARTS.append("body")
        return await parallel(count_starts(data), count_starts(data))

    STARTS.clear()
    with replay_after_every_call():
        assert await count_in_branches.run(scope, 1) == (3, 3)
    assert STARTS == ["body", "child", "child", "body"]


async def test_a_body_that_is_not_deterministic_is_parked(scope: Scope):
    @workflow("gamble", version=1)
    async def gamble(data: None) -> int:
        return await add(random.randrange(10**9))

    with replay_after_every_call(), pytest.raises(Nondeterministic, match="input_hash at 1"):
        await gamble.run(scope, None)
    assert [run.status for run in await scope.resolve(Runs).list()] == ["nondeterministic"]


async def test_a_journal_is_followed_without_a_database(application: Application, scope: Scope):
    journal = await recorded(scope)
    away = application_on("postgresql://nobody@127.0.0.1:1/none")
    away.workflows.registry.learn(add_up)
    await replay_journal(away, journal)


async def test_a_journal_survives_its_file(application: Application, scope: Scope, tmp_path: Path):
    journal = await recorded(scope)
    journal.write(tmp_path / "journal.json")
    await replay_journal(application, Journal.read(tmp_path / "journal.json"))


async def test_a_body_that_ends_otherwise_does_not_follow(application: Application, scope: Scope):
    journal = await recorded(scope)
    with pytest.raises(Nondeterministic, match="ended with result 7, the body ends with result 6"):
        await replay_journal(application, structs.replace(journal, result=type(journal.input)(b"7")))


async def test_a_body_that_does_more_does_not_follow(application: Application, scope: Scope):
    journal = await recorded(scope)
    shorter = [entry for entry in journal.entries if entry.path != "3"]
    with pytest.raises(Nondeterministic, match="comes to step add at 3"):
        await replay_journal(application, structs.replace(journal, entries=shorter))


async def test_a_journal_of_another_version_needs_its_code(application: Application, scope: Scope):
    journal = await recorded(scope)
    with pytest.raises(ConfigurationError, match="version 2"):
        await replay_journal(application, structs.replace(journal, version=2))


async def test_a_run_that_still_waits_is_followed_to_where_it_waits(application: Application, scope: Scope):
    run = await wait_to_add.start(scope, 1)
    await application.workflows.sweep()
    runs = scope.resolve(Runs)
    while (await runs.retrieve(run.id)).status != "waiting":  # noqa: ASYNC110, a row
        await asyncio.sleep(0.01)
    await replay_journal(application, Journal.of(await runs.retrieve(run.id)))
