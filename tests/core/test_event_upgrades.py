"""Events while an old and a new version of the shop run beside each other."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from core.container import Scope
from core.errors import HoldfastError, NotFound
from core.event import DELIVERY, Event, Subscription, subscriber
from core.testing import application_on
from core.workflow import Events, Retry, Runs, RunSummary, StepContext, Workflow, WorkflowEngine, step, workflow

A_DAY = timedelta(days=1)
HEARD: list[tuple[str, object]] = []


class NotNow(HoldfastError):
    """Later perhaps."""

    code = "test_not_ready_to_hear"
    status = 422


class Sold(msgspec.Struct, frozen=True):
    """The data of the event, as the old version has it."""

    what: str


class SoldFor(msgspec.Struct, frozen=True):
    """As the new version has it."""

    what: str
    price: int = 0


class SoldTo(msgspec.Struct, frozen=True):
    """As a version has it that cannot read what the old one wrote."""

    what: str
    who: str


@step("note-sale")
async def note_sale(ctx: StepContext, who: str, what: str) -> None:
    HEARD.append((who, what))


@step("tell-sale")
async def tell_sale(ctx: StepContext, what: str) -> None:
    ctx.emit("sold", Sold(what))


@workflow("sell", version=1)
async def sell(what: str) -> None:
    await tell_sale(what)


def listener(id: str, kind: type = Sold, version: int = 1) -> Subscription[Any]:
    """A subscriber that reads the data of the event as a `kind`."""

    async def listen(event: Event[Any]) -> None:
        await note_sale(f"{id} {version}", repr(event.data))

    of: Any = Event
    listen.__annotations__["event"] = of[kind]
    return subscriber("sold", id=id, version=version)(listen)


@pytest.fixture(autouse=True)
def nothing_was_heard() -> None:
    HEARD.clear()


@asynccontextmanager
async def shop(url: str, *workflows: Workflow[Any, Any], sweeping: bool = True) -> AsyncGenerator[Scope]:
    """A process of the shop, of whatever version; one that does not sweep leaves deliveries to others."""
    app = application_on(url, workflows=[sell, *workflows])
    async with app.running(sweeping=sweeping), app.scope() as scope:
        yield scope


async def emit(url: str, *workflows: Workflow[Any, Any]) -> None:
    """Have an event emitted by a process that leaves its deliveries to others."""
    async with shop(url, *workflows, sweeping=False) as scope:
        await sell.run(scope, "bread")


async def sweep(scope: Scope) -> int:
    return await scope.resolve(WorkflowEngine).sweep()


async def deliveries(scope: Scope) -> dict[str, str]:
    """The states of the deliveries of the only event, by subscriber."""
    [event] = await scope.resolve(Events).list()
    return {each.subscriber: each.status for each in event.deliveries}


async def until_delivered(scope: Scope, states: dict[str, str]) -> None:
    async with asyncio.timeout(10):
        while await deliveries(scope) != states:  # noqa: ASYNC110, rows
            await asyncio.sleep(0.01)


async def delivery(scope: Scope) -> RunSummary:
    """The only delivery there is."""
    [run] = [run for run in await scope.resolve(Runs).list() if run.workflow.startswith("on:")]
    return run


async def test_an_event_of_a_process_that_does_not_know_a_subscriber_never_reaches_it(core_database_url: str):
    url, known, new = core_database_url, listener("known"), listener("new")
    async with shop(url, known, new) as scope:
        await emit(url, known)
        await sweep(scope)
        await until_delivered(scope, {"known": "done"})
        [event] = await scope.resolve(Events).list()
        with pytest.raises(NotFound, match="was not for a subscriber 'new'"):
            await scope.resolve(Events).retry(event.id, subscriber="new")
    assert HEARD == [("known 1", "Sold(what='bread')")]


async def test_a_delivery_to_a_subscriber_that_only_newer_processes_have_waits_for_one(core_database_url: str):
    url, new = core_database_url, listener("new")
    await emit(url, new)
    async with shop(url) as without:
        assert await sweep(without) == 0
        async with shop(url, new) as scope:
            await until_delivered(scope, {"new": "done"})
    assert HEARD == [("new 1", "Sold(what='bread')")]


async def test_a_delivery_in_a_version_that_is_gone_can_be_cancelled_and_made_anew(core_database_url: str):
    url = core_database_url
    await emit(url, listener("ear", version=1))
    async with shop(url, listener("ear", version=2)) as scope:
        assert await sweep(scope) == 0
        old = await delivery(scope)
        assert (old.version, old.status, old.has_code) == (1, "queued", False)
        await scope.resolve(Runs).cancel(old.id)
        await until_delivered(scope, {"ear": "cancelled"})
        [event] = await scope.resolve(Events).list()
        await scope.resolve(Events).retry(event.id)
        await until_delivered(scope, {"ear": "done"})
    assert HEARD == [("ear 2", "Sold(what='bread')")]


@step("fail-to-note")
async def fail_to_note(ctx: StepContext) -> None:
    HEARD.append(("tried", ctx.run_id))
    raise NotNow


def failing(retry: Retry) -> Subscription[Any]:
    @subscriber("sold", id="ear", retry=retry)
    async def fail(event: Event[Sold]) -> None:
        await fail_to_note()

    return fail


@pytest.mark.parametrize(
    ("retry", "tries"),
    [(Retry(attempts=1), 2), (Retry(attempts=3, backoff=timedelta(0)), 3), (Retry(attempts=2, backoff=A_DAY), 2)],
)
async def test_a_delivery_that_waits_for_its_next_try_goes_on_by_the_new_retry(
    core_database_url: str, retry: Retry, tries: int
):
    async with shop(core_database_url, failing(Retry(attempts=2, backoff=timedelta(seconds=0.5)))) as scope:
        await emit(core_database_url, failing(DELIVERY))
        await sweep(scope)
        await until_delivered(scope, {"ear": "waiting"})
    async with shop(core_database_url, failing(retry)) as scope:
        await until_delivered(scope, {"ear": "failed"})
    assert len(HEARD) == tries


async def test_data_of_the_old_version_is_read_with_the_defaults_of_the_new_one(core_database_url: str):
    await emit(core_database_url, listener("ear", Sold))
    async with shop(core_database_url, listener("ear", SoldFor)) as scope:
        await until_delivered(scope, {"ear": "done"})
    assert HEARD == [("ear 1", "SoldFor(what='bread', price=0)")]


async def test_data_that_cannot_be_read_parks_the_delivery_until_there_is_code_that_can(core_database_url: str):
    url = core_database_url
    await emit(url, listener("ear", Sold))
    async with shop(url, listener("ear", SoldTo)) as scope:
        await until_delivered(scope, {"ear": "nondeterministic"})
    async with shop(url, listener("ear", SoldFor)) as scope:
        await scope.resolve(Runs).retry((await delivery(scope)).id)
        await until_delivered(scope, {"ear": "done"})
    assert HEARD == [("ear 1", "SoldFor(what='bread', price=0)")]
