"""Attempts, the pauses between them, and time-outs."""

import asyncio
import time
from datetime import timedelta

import pytest

from core.container import Scope
from core.errors import Busy
from core.testing import replay_after_every_call
from core.workflow import PermanentFailure, Retry, StepContext, StepFailed, StepTimedOut, step, workflow

from .payments import QUICK, SHORT
from .slots import Calls, Slot, runs, slots, take_slot

PATIENT = Retry(attempts=4, backoff=timedelta(milliseconds=1))


@step("try", external=True, retry=PATIENT)
async def try_it(ctx: StepContext, good: int) -> int:
    """Fail until attempt number `good`."""
    ctx.resolve(Calls).append(f"try {ctx.attempt}")
    if ctx.attempt < good:
        raise ConnectionError
    return ctx.attempt


@try_it.compensate
async def untry(ctx: StepContext, attempt: int | None) -> None:
    ctx.resolve(Calls).append(f"untry {attempt}")


@workflow("try", version=1)
async def try_once(good: int) -> int:
    return await try_it(good)


async def test_c2_a_step_that_succeeds_at_its_third_attempt_returns_that_value(scope: Scope, calls: Calls):
    assert await try_once.run(scope, 3) == 3

    assert calls == ["try 1", "try 2", "try 3"]
    [(stored,)] = await scope.session.sql("SELECT entry ->> 'attempts' FROM workflow_step WHERE path = '1'")
    assert stored == "3"


async def test_a_step_may_change_what_it_is_given_and_neither_the_body_nor_another_attempt_sees_it(scope: Scope):
    @step("use-up", external=True, retry=PATIENT)
    async def use_up(ctx: StepContext, names: list[str], *, notes: dict[str, list[str]]) -> str:
        name = names.pop()
        notes["used"].append(name)
        if ctx.attempt == 1:
            raise ConnectionError
        return f"{name} {len(notes['used'])}"

    @workflow("use-twice", version=1)
    async def use_twice(data: None) -> list[str]:
        names, notes = ["a"], {"used": list[str]()}
        return [await use_up(names, notes=notes), *names, *notes["used"], await use_up(names, notes=notes)]

    with replay_after_every_call():
        assert await use_twice.run(scope, None) == ["a 1", "a", "a 1"]


async def test_t7_a_step_that_keeps_failing_is_tried_four_times_and_compensated_once(scope: Scope, calls: Calls):
    with pytest.raises(StepFailed):
        await try_once.run(scope, 99)

    assert calls == ["try 1", "try 2", "try 3", "try 4", "untry None"]


@pytest.mark.parametrize("external", [True, False])
async def test_c3_a_permanent_failure_is_not_tried_again(scope: Scope, calls: Calls, external: bool):
    async def refuse(ctx: StepContext) -> None:
        ctx.resolve(Calls).append("refuse")
        raise PermanentFailure

    refusing = step("refuse", external=True, retry=PATIENT) if external else step("refuse", retry=PATIENT)
    refused = refusing(refuse)

    @workflow("refuse", version=1)
    async def refuse_once(data: None) -> None:
        await refused()

    with pytest.raises(PermanentFailure):
        await refuse_once.run(scope, None)

    assert calls == ["refuse"]


async def test_a_transactional_step_is_retried_only_if_it_says_so(scope: Scope, calls: Calls):
    @step("stumble", retry=QUICK)
    async def stumble(ctx: StepContext) -> int:
        ctx.resolve(Calls).append(f"stumble {ctx.attempt}")
        await ctx.scope.session.writable("stumble").sql("INSERT INTO slot VALUES (%s)", (f"s{ctx.attempt}",))
        if ctx.attempt < 3:
            raise ValueError
        return ctx.attempt

    @workflow("stumble", version=1)
    async def stumble_once(data: None) -> int:
        return await stumble()

    assert await stumble_once.run(scope, None) == 3
    assert await slots(scope) == ["s3"]

    stumble.retry = Retry(attempts=1)
    with pytest.raises(StepFailed):
        await stumble_once.run(scope, None)


def is_of_the_network(error: Exception) -> bool:
    return isinstance(error, OSError)


@pytest.mark.parametrize(
    ("on", "calls_made"), [((ConnectionError,), 3), ((KeyError,), 1), (is_of_the_network, 3), ((), 1)]
)
async def test_what_is_worth_another_attempt_is_decided_by_the_original_error(
    scope: Scope, calls: Calls, on: object, calls_made: int
):
    retry = Retry(attempts=3, backoff=timedelta(0), on=on)  # pyright: ignore[reportArgumentType]

    @workflow("try-with-options", version=1)
    async def try_with_options(data: None) -> None:
        await try_it.with_options(retry=retry)(99)

    with pytest.raises(StepFailed):
        await try_with_options.run(scope, None)

    assert calls.count("untry None") == 1
    assert len(calls) == calls_made + 1


async def test_a_retryable_error_is_tried_again_and_a_final_one_is_not(scope: Scope, calls: Calls):
    @step("be-busy", external=True, retry=QUICK)
    async def be_busy(ctx: StepContext) -> None:
        ctx.resolve(Calls).append("busy")
        raise Busy

    @workflow("be-busy", version=1)
    async def be_busy_once(data: None) -> None:
        await be_busy()

    with pytest.raises(Busy):
        await be_busy_once.run(scope, None)

    assert calls == ["busy"] * 3


async def test_r6_the_pause_doubles_and_varies_within_its_jitter(scope: Scope):
    times: list[float] = []

    @step("wait", external=True, retry=Retry(attempts=3, backoff=timedelta(seconds=0.1), jitter=0.1))
    async def wait(ctx: StepContext) -> None:
        times.append(time.monotonic())
        if ctx.attempt < 3:
            raise ConnectionError

    @workflow("wait", version=1)
    async def wait_once(data: None) -> None:
        await wait()

    await wait_once.run(scope, None)

    first, second = times[1] - times[0], times[2] - times[1]
    assert first >= 0.09
    assert second >= 0.18


def test_pauses_have_a_ceiling_and_a_jitter():
    retry = Retry(attempts=1000, backoff=timedelta(seconds=1), jitter=0.5)

    assert all(1 <= retry.pause(2) <= 3 for _ in range(100))
    assert len({retry.pause(2) for _ in range(10)}) > 1
    assert retry.pause(999) <= 450


async def test_t15_a_time_out_interrupts_the_step_and_the_run_is_compensated(scope: Scope, calls: Calls):
    interrupted: list[str] = []

    @step("linger", timeout=SHORT)
    async def linger(ctx: StepContext) -> None:
        await ctx.scope.session.writable("linger").sql("INSERT INTO slot VALUES ('lingering')")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            interrupted.append("linger")
            raise

    @workflow("take-and-linger", version=1)
    async def take_and_linger(data: None) -> None:
        await take_slot(Slot(name="a"))
        await linger()

    with pytest.raises(StepTimedOut):
        await take_and_linger.run(scope, None)

    assert interrupted == ["linger"]
    assert calls == ["take a", "give back a"]
    assert await slots(scope) == []
    assert await runs(scope) == [("take-and-linger", "compensated", None)]


@pytest.mark.parametrize("read", [True, False])
async def test_a_time_out_ends_the_servers_statement(scope: Scope, read: bool):
    async def dawdle(ctx: StepContext) -> None:
        await ctx.scope.session.sql("SELECT pg_sleep(8), 'dawdle'")

    dawdling = (step("dawdle", read=True, timeout=SHORT) if read else step("dawdle", timeout=SHORT))(dawdle)

    @workflow("dawdle", version=1)
    async def dawdle_once(data: None) -> None:
        await dawdling()

    with pytest.raises(StepTimedOut):
        await dawdle_once.run(scope, None)

    query = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(8)%%'"
    async with asyncio.timeout(4):
        while await scope.session.sql(query):  # noqa: ASYNC110, the server's state
            await asyncio.sleep(0.01)


async def test_a_step_that_swallows_its_interruption_has_timed_out_all_the_same(scope: Scope):
    @step("shrug", timeout=SHORT)
    async def shrug(ctx: StepContext) -> str:
        await ctx.scope.session.writable("shrug").sql("INSERT INTO slot VALUES ('shrugged')")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "too late"
        return ""

    @workflow("shrug", version=1)
    async def shrug_once(data: None) -> str:
        return await shrug()

    with pytest.raises(StepTimedOut):
        await shrug_once.run(scope, None)

    assert await slots(scope) == []


async def test_a_time_out_of_the_steps_own_is_its_failure(scope: Scope):
    @step("limit", timeout=timedelta(seconds=30))
    async def limit(ctx: StepContext) -> None:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)

    @workflow("limit", version=1)
    async def limit_once(data: None) -> None:
        await limit()

    with pytest.raises(StepFailed) as caught:
        await limit_once.run(scope, None)

    assert caught.value.error_type == "TimeoutError"
