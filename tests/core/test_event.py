"""Events go out when the run that emitted them has ended well, each subscriber gets them by itself."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import msgspec
import pytest

from core.app import Application
from core.container import Scope
from core.errors import ConfigurationError, HoldfastError, NoTransaction
from core.event import Event, subscriber
from core.workflow import (
    Events,
    Retry,
    RunCancelled,
    Runs,
    RunStateConflict,
    StepContext,
    UnstorableResult,
    parallel,
    step,
    wait_for,
    workflow,
)

SOMEBODY_WAITS = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
HEARD: list[tuple[str, str, str]] = []
FAILING: set[str] = set()
LEFT = "SELECT id FROM workflow_run WHERE status NOT IN ('done', 'failed', 'compensated', 'cancelled')"
QUICK = Retry(attempts=3, backoff=timedelta(milliseconds=10))


class Told(msgspec.Struct, frozen=True):
    text: str


class NotNow(HoldfastError):
    """Later perhaps."""

    code = "test_not_now"
    status = 422


class Unreachable(HoldfastError):
    """Once more."""

    code = "test_unreachable"
    status = 503
    retryable = True


@step("hear")
async def hear(ctx: StepContext, who: str, text: str, id: str) -> None:
    HEARD.append((who, text, id))
    if who in FAILING:
        raise NotNow


@subscriber("told", id="ear", retry=QUICK)
async def ear(event: Event[Told]) -> None:
    await hear("ear", event.data.text, event.id)


@subscriber("told", id="other-ear", retry=QUICK)
async def other_ear(event: Event[Told]) -> None:
    await hear("other-ear", event.data.text, event.id)


@step("tell")
async def tell(ctx: StepContext, text: str) -> str:
    ctx.emit("told", Told(text))
    return text


@tell.compensate
async def untell(ctx: StepContext, text: str) -> None:
    ctx.emit("told", Told(f"not {text}"))


@step("shout")
async def shout(ctx: StepContext, text: str) -> None:
    ctx.emit("told", Told(text), at_once=True)
    ctx.emit("told", Told(f"{text} later"))


@workflow("tell-all", version=1)
async def tell_all(texts: list[str]) -> None:
    for text in texts:
        await tell(text)
        if text == "stop":
            raise NotNow


@pytest.fixture(autouse=True)
def application_hears(application: Application) -> None:
    HEARD.clear()
    FAILING.clear()
    for each in (ear, other_ear):
        application.workflows.registry.learn(each)


async def until_idle(scope: Scope) -> None:
    async with asyncio.timeout(10):
        while await scope.session.sql(LEFT):  # noqa: ASYNC110, rows
            await asyncio.sleep(0.01)


async def outbox(scope: Scope) -> list[str]:
    return [text for (text,) in await scope.session.sql("SELECT data ->> 'text' FROM outbox ORDER BY emitted_at, id")]


async def test_c1_events_of_a_run_carry_its_id(scope: Scope):
    await tell_all.run(scope, ["a", "b"], key="k")
    await until_idle(scope)

    [run] = await scope.resolve(Runs).list(workflow="tell-all")
    assert {id for _, _, id in HEARD} == {f"{run.id}:1:1", f"{run.id}:2:1"}
    assert await scope.session.sql("SELECT DISTINCT run_id FROM outbox") == [(run.id,)]


async def test_c12_success_releases_events_once_and_failure_none(scope: Scope):
    await tell_all.run(scope, ["a", "b"], key="k")
    await tell_all.run(scope, ["a", "b"], key="k")
    await until_idle(scope)
    told = [(who, text) for who, text, _ in HEARD]
    assert sorted(told) == [(who, text) for who in ("ear", "other-ear") for text in ("a", "b")]
    HEARD.clear()

    with pytest.raises(NotNow):
        await tell_all.run(scope, ["c", "stop"])
    await until_idle(scope)
    assert await outbox(scope) == ["a", "b", "not stop", "not c"]


async def test_events_of_a_child_that_was_undone_do_not_go_out(scope: Scope):
    @workflow("tell-around", version=1)
    async def tell_around(data: None) -> None:
        await tell("before")
        try:
            await parallel(tell_all(["stop"]), tell("beside"))
        except NotNow:
            await tell("after")

    await tell_around.run(scope, None)
    assert {*await outbox(scope)} - {"beside"} == {"before", "not stop", "after"}


async def test_an_event_that_goes_out_at_once_is_heard_while_the_run_waits(scope: Scope):
    @workflow("shout-and-wait", version=1)
    async def shout_and_wait(data: None) -> str:
        await shout("now")
        return await wait_for("answer", str)

    run = await shout_and_wait.start(scope, None)
    async with asyncio.timeout(10):
        while len(HEARD) < 2:  # noqa: ASYNC110, a list
            await asyncio.sleep(0.01)
    assert await outbox(scope) == ["now"]
    await scope.resolve(Runs).signal(run.id, "answer", "heard")
    assert await run.result() == "heard"
    assert await outbox(scope) == ["now", "now later"]


async def test_v4_a_failing_subscriber_is_retried_alone(scope: Scope):
    FAILING.add("ear")
    await tell_all.run(scope, ["a"])
    await until_idle(scope)
    assert [who for who, _, _ in HEARD].count("ear") == 3
    assert [who for who, _, _ in HEARD].count("other-ear") == 1
    states = {run.workflow: run.status for run in await scope.resolve(Runs).list()}
    assert states == {"tell-all": "done", "on:told:ear": "failed", "on:told:other-ear": "done"}


async def test_who_retries_what_another_one_does_at_the_same_time_is_told_so(scope: Scope, application: Application):
    FAILING.add("ear")
    await tell_all.run(scope, ["a"])
    await until_idle(scope)
    [event] = await scope.resolve(Events).list(failed=True)
    FAILING.clear()
    async with application.scope() as mine, mine.transaction():
        assert [*await mine.resolve(Events).retry(event.id)] == ["ear"]

        async def retry_too() -> None:
            async with application.scope() as other:
                await other.resolve(Events).retry(event.id)

        second = asyncio.create_task(retry_too())
        async with asyncio.timeout(10):
            while not await scope.session.sql(SOMEBODY_WAITS):  # noqa: ASYNC110, another connection's lock
                await asyncio.sleep(0.01)
    with pytest.raises(RunStateConflict, match=r"ear is (queued|running|done)"):
        await second
    await until_idle(scope)
    assert [who for who, _, _ in HEARD].count("ear") == 4


async def emit_and_fail(scope: Scope) -> None:
    async with scope.transaction():
        await scope.emit("told", Told("lost"))
        raise NotNow


async def test_an_event_outside_of_runs_shares_the_fate_of_its_transaction(scope: Scope):
    async with scope.transaction():
        await scope.emit("told", Told("kept"))
    with pytest.raises(NotNow):
        await emit_and_fail(scope)
    with pytest.raises(NoTransaction):
        await scope.emit("told", Told("nowhere"))
    await until_idle(scope)
    assert sorted(text for _, text, _ in HEARD) == ["kept", "kept"]


async def test_a_run_that_keeps_nothing_tells_all_the_same(scope: Scope):
    @workflow("tell-and-forget", version=1, retention=timedelta(0))
    async def tell_and_forget(data: None) -> None:
        await tell("a")

    await tell_and_forget.run(scope, None)
    await until_idle(scope)
    assert len(HEARD) == 2


class Crier:
    """A service, which knows its scope alone."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def cry(self, text: str) -> str:
        return await self._scope.emit("told", Told(text))


@step("cry")
async def cry(ctx: StepContext, text: str) -> str:
    return await ctx.resolve(Crier).cry(text)


@cry.compensate
async def uncry(ctx: StepContext, id: str) -> None:
    await ctx.resolve(Crier).cry("never mind")


@workflow("cry-all", version=1)
async def cry_all(texts: list[str]) -> list[str]:
    ids = [await cry(text) for text in texts if text != "stop"]
    if "stop" in texts:
        raise NotNow
    return ids


async def test_what_a_service_emits_in_a_step_goes_out_when_the_run_ends_well(application: Application, scope: Scope):
    application.container.register(Crier, Crier)
    [id] = await cry_all.run(scope, ["heard"])
    [run] = await scope.resolve(Runs).list(workflow="cry-all")
    assert await scope.session.sql("SELECT id, run_id FROM outbox") == [(id, run.id)]
    with pytest.raises(NotNow):
        await cry_all.run(scope, ["undone", "stop"])
    await until_idle(scope)
    assert await outbox(scope) == ["heard", "never mind"]
    assert {of for _, text, of in HEARD if text == "heard"} == {id}


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
async def test_a_name_that_cannot_be_stored_is_refused_as_data_is(scope: Scope, name: str):
    @step("tell-nobody")
    async def tell_nobody(ctx: StepContext) -> None:
        ctx.emit(name, None)

    @workflow("tell-nobody", version=1)
    async def tell_nobody_once(data: None) -> None:
        await tell_nobody()

    with pytest.raises(UnstorableResult, match="the name of event"):
        await tell_nobody_once.run(scope, None)
    with pytest.raises(UnstorableResult, match="the name of event"):
        async with scope.transaction():
            await scope.emit(name, None)


async def test_a_read_step_emits_nothing(scope: Scope):
    @step("whisper", read=True)
    async def whisper(ctx: StepContext) -> None:
        ctx.emit("told", Told("psst"))

    @workflow("whisper", version=1)
    async def whisper_once(data: None) -> None:
        await whisper()

    with pytest.raises(NoTransaction, match="read=True"):
        await whisper_once.run(scope, None)


async def test_a_run_that_is_cancelled_in_its_last_step_tells_nothing_but_what_was_told_at_once(scope: Scope):
    @step("ask-for-the-end")
    async def ask_for_the_end(ctx: StepContext) -> None:
        ctx.emit("told", Told("now"), at_once=True)
        ctx.emit("told", Told("never"))
        async with ctx.scope.container.scope() as other:
            await other.resolve(Runs).cancel(ctx.run_id)

    @workflow("tell-too-late", version=1)
    async def tell_too_late(data: None) -> None:
        await tell("before")
        await ask_for_the_end()

    with pytest.raises(RunCancelled):
        await tell_too_late.run(scope, None)
    await until_idle(scope)
    assert await outbox(scope) == ["now", "not before"]
    assert sorted(text for who, text, _ in HEARD if who == "ear") == ["not before", "now"]


async def test_an_external_step_tells_what_its_last_attempt_did_and_nothing_of_those_that_failed(scope: Scope):
    @step("try-to-tell", external=True, retry=QUICK)
    async def try_to_tell(ctx: StepContext) -> None:
        ctx.emit("told", Told(f"attempt {ctx.attempt}"))
        ctx.emit("told", Told(f"attempt {ctx.attempt}, at once"), at_once=True)
        if ctx.attempt < 3:
            raise Unreachable

    @workflow("tell-at-last", version=1)
    async def tell_at_last(data: None) -> None:
        await try_to_tell()

    await tell_at_last.run(scope, None)
    await until_idle(scope)
    assert sorted(await outbox(scope)) == ["attempt 3", "attempt 3, at once"]
    assert sorted(text for who, text, _ in HEARD if who == "ear") == ["attempt 3", "attempt 3, at once"]


async def test_an_external_step_that_never_succeeds_tells_nothing(scope: Scope):
    @step("tell-in-vain", external=True, retry=QUICK)
    async def tell_in_vain(ctx: StepContext) -> None:
        ctx.emit("told", Told("in vain"))
        ctx.emit("told", Told("in vain, at once"), at_once=True)
        raise Unreachable

    @workflow("tell-in-vain", version=1)
    async def tell_all_in_vain(data: None) -> None:
        await tell("before")
        try:
            await tell_in_vain()
        except Unreachable:
            await tell("after")

    await tell_all_in_vain.run(scope, None)
    await until_idle(scope)
    assert sorted(await outbox(scope)) == ["after", "before"]


@pytest.mark.parametrize("id", ["", "a\0b", "a:b"])
async def test_the_id_of_a_subscriber_is_text_without_colons(id: str):
    async def body(event: Event[int]) -> None: ...

    with pytest.raises(ConfigurationError, match="the id of a subscriber is printable text without colons"):
        subscriber("it.happened", id=id)(body)


async def test_a_subscriber_is_asynchronous():
    def body(event: Event[int]) -> None: ...

    with pytest.raises(ConfigurationError, match="subscriber late is an `async def`"):
        subscriber("it.happened", id="late")(cast("Any", body))
