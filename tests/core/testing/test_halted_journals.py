"""Journals of runs whose bodies were stopped: they are followed to where that was."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from core.app import Application
from core.container import Scope
from core.errors import HoldfastError
from core.testing import Journal, replay_journal
from core.workflow import (
    Nondeterministic,
    PermanentFailure,
    Retry,
    Run,
    Runs,
    StepContext,
    Workflow,
    parallel,
    step,
    wait_for,
    workflow,
)

LONG = timedelta(hours=1)


@step("note-name")
async def note_name(ctx: StepContext, name: str) -> str:
    return name


@step("knock-patiently", external=True, retry=Retry(attempts=3, backoff=LONG))
async def knock_patiently(ctx: StepContext) -> None:
    raise ConnectionError


@step("nail")
async def nail(ctx: StepContext) -> None: ...


@nail.compensate
async def pull_out(ctx: StepContext, _: None) -> None:
    raise PermanentFailure("it sticks")


@workflow("note-and-wait", version=1)
async def note_and_wait(data: str) -> str:
    return await note_name(data) + await wait_for("more", str)


@workflow("note-and-wait-in-branches", version=1)
async def note_in_branches(data: str) -> tuple[str, str, str]:
    return await parallel(note_and_wait(data), note_name("b"), note_and_wait("c"))


@workflow("note-in-time", version=1, timeout=timedelta(seconds=0.1))
async def note_in_time(data: str) -> str:
    return await note_name(data) + await wait_for("more", str)


@workflow("knock-in-time", version=1, timeout=timedelta(seconds=0.1))
async def knock_in_time(data: str) -> str:
    """The engine stops it in the step, whatever the body catches."""
    with suppress(HoldfastError):
        await knock_patiently()
    return await note_name("nobody answered")


@workflow("note-once", version=1)
async def note_once(data: str) -> str:
    return await note_name(data)


@workflow("nail-and-fail", version=1)
async def nail_and_fail(data: str) -> None:
    await nail()
    raise PermanentFailure(data)


@workflow("go-on-nailing", version=1)
async def go_on_nailing(data: str) -> str:
    with suppress(PermanentFailure):
        await nail_and_fail(data)
    return await note_name("nailed")


async def until(scope: Scope, run: Run[Any], *states: str) -> Journal:
    """Wait until a run is in one of these states; return its journal."""
    async with asyncio.timeout(10):
        while (found := await scope.resolve(Runs).retrieve(run.id)).status not in states:  # noqa: ASYNC110, a row
            await asyncio.sleep(0.01)
    return Journal.of(found)


@pytest.mark.parametrize("definition", [note_and_wait, note_in_branches])
async def test_a_run_that_was_cancelled_while_it_waited_is_followed(
    application: Application, scope: Scope, definition: Workflow[str, Any]
):
    run = await definition.start(scope, "a")
    await until(scope, run, "waiting")
    await scope.resolve(Runs).cancel(run.id)

    await replay_journal(application, await until(scope, run, "cancelled"))


async def test_a_run_that_was_cancelled_before_it_began_is_followed(application: Application, scope: Scope):
    async with scope.transaction():
        run = await note_and_wait.start(scope, "a")
        await scope.resolve(Runs).cancel(run.id)

    journal = await until(scope, run, "cancelled")

    assert [entry.path for entry in journal.entries] == ["0"]
    await replay_journal(application, journal)


async def test_a_run_that_was_cancelled_when_it_had_ended_is_followed(application: Application, scope: Scope):
    run = await note_once.start(scope, "a")
    await until(scope, run, "done")
    await scope.resolve(Runs).cancel(run.id)

    await replay_journal(application, await until(scope, run, "cancelled"))


@pytest.mark.parametrize("definition", [note_in_time, knock_in_time])
async def test_a_run_that_took_too_long_is_followed(
    application: Application, scope: Scope, definition: Workflow[str, Any]
):
    run = await definition.start(scope, "a")

    await replay_journal(application, await until(scope, run, "compensated", "failed"))


async def test_a_run_of_which_a_child_could_not_be_undone_is_followed(application: Application, scope: Scope):
    run = await go_on_nailing.start(scope, "a")

    await replay_journal(application, await until(scope, run, "compensation_failed"))


async def test_a_run_that_was_cancelled_is_not_followed_by_other_code(application: Application, scope: Scope):
    run = await note_and_wait.start(scope, "a")
    await until(scope, run, "waiting")
    await scope.resolve(Runs).cancel(run.id)
    journal = await until(scope, run, "cancelled")
    changed = [structs.replace(entry, step=entry.step.replace("note-name", "note")) for entry in journal.entries]

    with pytest.raises(Nondeterministic, match="step at 1: the journal has note, the body note-name"):
        await replay_journal(application, structs.replace(journal, entries=changed))
