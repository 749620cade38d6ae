"""The purge deletes what is over: finished runs after their retention, events once no delivery is left."""

import asyncio
from datetime import timedelta

import pytest

from core.app import Application
from core.container import Scope
from core.errors import NotFound
from core.event import Event, subscriber
from core.job import Jobs
from core.testing import move_clock
from core.workflow import Events, PermanentFailure, StepContext, step, workflow

DAY = timedelta(days=1)


@step("say")
async def say(ctx: StepContext, word: str) -> None:
    ctx.emit("said", word)


@workflow("say-a-word", version=1, retention=DAY)
async def say_a_word(word: str) -> None:
    await say(word)


@subscriber("said", id="listener", retention=10 * DAY)
async def listener(event: Event[str]) -> None: ...


@step("hear", external=True)
async def hear(ctx: StepContext) -> None:
    raise PermanentFailure("deaf")


@subscriber("said", id="deaf")
async def deaf(event: Event[str]) -> None:
    await hear()


async def until_failed(scope: Scope) -> None:
    """Wait until the only delivery there is has failed."""
    async with asyncio.timeout(10):
        while not await scope.resolve(Events).list(failed=True):  # noqa: ASYNC110, rows
            await asyncio.sleep(0.01)


async def purge(scope: Scope) -> None:
    await (await scope.resolve(Jobs).run("purge-finished")).result()


async def kept(scope: Scope) -> tuple[list[str], int]:
    """The workflows that have runs, and the number of events."""
    rows = await scope.session.sql("SELECT workflow FROM workflow_run WHERE workflow <> 'purge-finished' ORDER BY 1")
    [(events,)] = await scope.session.sql("SELECT count(*) FROM outbox")
    return [workflow for (workflow,) in rows], events


async def test_runs_go_after_their_retention_and_events_with_the_last_delivery(application: Application, scope: Scope):
    application.workflows.registry.learn(listener)
    await say_a_word.run(scope, "hello")
    [(delivery,)] = await scope.session.sql("SELECT id FROM workflow_run WHERE workflow LIKE 'on:%%'", {})
    while await scope.session.sql("SELECT id FROM workflow_run WHERE status <> 'done'"):
        await application.workflows.take_up(delivery)
    await purge(scope)
    assert await kept(scope) == (["on:said:listener", "say-a-word"], 1)

    await move_clock(application, DAY + timedelta(minutes=1))
    await purge(scope)
    assert await kept(scope) == (["on:said:listener"], 1)

    await move_clock(application, 7 * DAY)
    await purge(scope)
    assert await kept(scope) == (["on:said:listener"], 1)

    await move_clock(application, 3 * DAY)
    await purge(scope)
    assert await kept(scope) == ([], 0)


async def test_a_failed_delivery_can_be_seen_and_retried_for_a_week_and_is_then_gone(
    application: Application, scope: Scope
):
    application.workflows.registry.learn(deaf)
    await say_a_word.run(scope, "hello")
    events = scope.resolve(Events)
    await until_failed(scope)
    await move_clock(application, 6 * DAY)
    await purge(scope)
    [event] = await events.list(failed=True)
    await events.retry(event.id)
    await until_failed(scope)

    await move_clock(application, 6 * DAY)  # counted from the end of the latest try
    await purge(scope)
    assert [each.id for each in await events.list(failed=True)] == [event.id]
    await move_clock(application, 1 * DAY)
    await purge(scope)
    assert await events.list() == []
    with pytest.raises(NotFound):
        await events.retry(event.id)


async def test_an_event_without_subscribers_is_kept_for_a_week(application: Application, scope: Scope):
    await say_a_word.run(scope, "hello")
    await move_clock(application, 6 * DAY)
    await purge(scope)
    assert await kept(scope) == ([], 1)
    await move_clock(application, 2 * DAY)
    await purge(scope)
    assert await kept(scope) == ([], 0)


async def test_the_sweep_leaves_finished_runs_to_the_job(application: Application, scope: Scope):
    await say_a_word.run(scope, "hello")
    await move_clock(application, 2 * DAY)
    await application.workflows.sweep()
    assert (await kept(scope))[0] == ["say-a-word"]
