"""The purge deletes what is over: finished runs after their retention, events once no delivery is left."""

from datetime import timedelta

from core.app import Application
from core.container import Scope
from core.event import Event, subscriber
from core.job import Jobs
from core.testing import move_clock
from core.workflow import StepContext, step, workflow

DAY = timedelta(days=1)


@step("say")
async def say(ctx: StepContext, word: str) -> None:
    ctx.emit("said", word)


@workflow("say-a-word", version=1, retention=DAY)
async def say_a_word(word: str) -> None:
    await say(word)


@subscriber("said", id="listener", retention=10 * DAY)
async def listener(event: Event[str]) -> None: ...


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
