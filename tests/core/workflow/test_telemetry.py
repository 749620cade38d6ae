"""What the engine counts and logs: what is durable, once."""

import asyncio
from collections.abc import Generator, MutableMapping
from datetime import timedelta
from typing import Any

import pytest
import structlog
from structlog import DropEvent
from structlog.testing import capture_logs

from core.app import Application
from core.container import Scope
from core.metrics import METRICS
from core.workflow import Retry, Runs, StepContext, step, wait_for, workflow

from .slots import (
    Calls,
    Names,
    Slot,
    SlotForbidden,
    SlotTaken,
    TakeThenFail,
    count,
    take_one,
    take_slot,
    take_slots,
    take_then_fail,
)


class Counted:
    """What has been counted since the test began."""

    def __init__(self) -> None:
        self._before = self._now()

    def _now(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        samples = [sample for family in METRICS.collect() for sample in family.samples]
        return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}

    def __call__(self, name: str, **labels: str) -> float:
        key = f"holdfast_workflow_{name}", frozenset(labels.items())
        return self._now().get(key, 0) - self._before.get(key, 0)


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def logged() -> Generator[list[Any]]:
    with capture_logs() as lines:
        yield lines


def events(logged: list[Any], *fields: str) -> list[tuple[Any, ...]]:
    return [tuple(line.get(field) for field in ("event", "log_level", *fields)) for line in logged]


async def test_counts_runs_and_steps_that_are_done(scope: Scope, counted: Counted, logged: list[Any]):
    await take_slots.run(scope, Names(["a", "b", "c"]))
    assert counted("runs_ended_total", workflow="take-slots", state="done") == 1
    assert counted("run_seconds_count", workflow="take-slots") == 1
    assert counted("steps_total", workflow="take-slots", step="take-slot", outcome="done") == 3
    assert counted("step_seconds_count", workflow="take-slots", step="take-slot") == 3
    assert 0 < counted("step_seconds_sum", workflow="take-slots", step="take-slot") < 10
    assert logged == []


async def test_counts_runs_that_leave_no_row(scope: Scope, counted: Counted):
    await count.run(scope, None)
    with pytest.raises(SlotTaken):
        await take_then_fail.run(scope, TakeThenFail([], "taken"))
    assert await scope.session.sql("SELECT id FROM workflow_run") == []
    assert counted("runs_ended_total", workflow="count", state="done") == 1
    assert counted("steps_total", workflow="count", step="count-slots", outcome="done") == 1
    assert counted("runs_ended_total", workflow="take-then-fail", state="failed") == 1
    assert counted("steps_total", workflow="take-then-fail", step="fail", outcome="failed") == 1


async def test_counts_a_run_that_is_not_kept(scope: Scope, counted: Counted):
    @workflow("take-unkept", version=1, retention=timedelta(0))
    async def take_unkept(data: Slot) -> None:
        await take_slot(data)

    await take_unkept.run(scope, Slot(name="a"))
    assert counted("runs_ended_total", workflow="take-unkept", state="done") == 1
    assert counted("steps_total", workflow="take-unkept", step="take-slot", outcome="done") == 1


async def test_a_step_that_is_done_again_after_a_failed_commit_counts_once(scope: Scope, counted: Counted):
    await take_one.run(scope, Slot(name="a", note="40001"))
    assert counted("steps_total", workflow="take-one", step="take-slot", outcome="done") == 1
    assert counted("runs_ended_total", workflow="take-one", state="done") == 1


async def test_an_answer_from_an_earlier_run_is_not_counted_again(scope: Scope, counted: Counted):
    for _ in range(2):
        await take_one.run(scope, Slot(name="a"), key="k")
    assert counted("runs_ended_total", workflow="take-one", state="done") == 1


async def test_tells_of_a_compensated_run(scope: Scope, counted: Counted, logged: list[Any]):
    with pytest.raises(SlotForbidden):
        await take_then_fail.run(scope, TakeThenFail(["a", "b"], "forbidden"))
    assert counted("runs_ended_total", workflow="take-then-fail", state="compensated") == 1
    assert counted("undo_attempts_total", workflow="take-then-fail", step="take-slot", outcome="done") == 2
    [ended] = [line for line in logged if line["event"] == "run_ended"]
    assert (ended["log_level"], ended["status"], ended["code"]) == ("info", "compensated", "test_slot_forbidden")
    assert ended["run_id"].startswith("run_")


async def test_warns_of_a_step_that_failed_with_an_error_of_no_kind_of_ours(scope: Scope, logged: list[Any]):
    with pytest.raises(Exception, match="on no account"):
        await take_then_fail.run(scope, TakeThenFail(["a"], "on no account"))
    assert ("step_failed", "warning", "fail", "2") in events(logged, "step", "path")


async def test_counts_and_logs_attempts_after_the_first(scope: Scope, counted: Counted, logged: list[Any]):
    @step("falter", retry=Retry(attempts=3, backoff=timedelta(0), on=(ValueError,)))
    async def falter(ctx: StepContext) -> None:
        if ctx.attempt < 3:
            raise ValueError(f"attempt {ctx.attempt}")

    @workflow("take-heart", version=1)
    async def take_heart(data: None) -> None:
        await falter()

    await take_heart.run(scope, None)
    assert counted("step_retries_total", workflow="take-heart", step="falter") == 2
    assert counted("steps_total", workflow="take-heart", step="falter", outcome="done") == 1
    assert [(line["attempts"], line["error"]) for line in logged if line["event"] == "step_retried"] == [
        (1, "ValueError('attempt 1')"),
        (2, "ValueError('attempt 2')"),
    ]


async def test_tells_of_an_undo_that_is_given_up(scope: Scope, counted: Counted, logged: list[Any]):
    @step("cling")
    async def cling(ctx: StepContext) -> str:
        return "here"

    @cling.compensate
    async def let_go(ctx: StepContext, where: str) -> None:
        raise ValueError("no way")

    @workflow("cling-then-fail", version=1)
    async def cling_then_fail(data: None) -> None:
        await cling()
        raise SlotTaken

    with pytest.raises(SlotTaken):
        await cling_then_fail.run(scope, None)
    assert counted("undo_attempts_total", workflow="cling-then-fail", step="cling", outcome="failed") == 2
    assert counted("undo_attempts_total", workflow="cling-then-fail", step="cling", outcome="given_up") == 1
    assert counted("runs_ended_total", workflow="cling-then-fail", state="compensation_failed") == 1
    told = events(logged, "step")
    assert told.count(("undo_failed", "warning", "cling")) == 2
    assert told.count(("undo_given_up", "error", "cling")) == 1
    assert ("run_ended", "error", None) in told
    assert all("again_at" in line for line in logged if line["event"] == "undo_failed")


async def test_tells_of_a_run_that_is_parked_once_and_not_of_its_end(scope: Scope, counted: Counted, logged: list[Any]):
    names = ["first"]

    @workflow("change-one-s-mind", version=1)
    async def change_ones_mind(data: None) -> None:
        await take_slot(Slot(name=names[-1]))
        await wait_for("go", str)

    run = await change_ones_mind.start(scope, None)
    await until(scope, "waiting")
    names.append("second")
    await scope.resolve(Runs).signal(run.id, "go", "on")
    await until(scope, "nondeterministic")
    assert counted("runs_ended_total", workflow="change-one-s-mind", state="nondeterministic") == 1
    assert counted("run_seconds_count", workflow="change-one-s-mind") == 0
    [parked] = [line for line in logged if line["event"] == "run_parked"]
    assert parked["log_level"] == "error"
    assert "the journal has" in parked["error"]


async def test_tells_of_a_run_that_is_taken_over(app: Application, scope: Scope, counted: Counted):
    @workflow("take-when-called", version=1)
    async def take_when_called(data: None) -> None:
        await take_slot(Slot(name="a"))
        await wait_for("go", str)

    app.workflows.registry.learn(take_when_called)
    await take_when_called.start(scope, None)
    await until(scope, "waiting")
    async with scope.transaction():
        await scope.session.sql("UPDATE workflow_run SET status = 'running', owner = 'proc_dead', due_at = NULL")
    with capture_logs() as logged:
        assert await app.workflows.sweep() == 1
        await until(scope, "waiting")
    assert counted("recoveries_total", workflow="take-when-called") == 1
    assert ("run_taken_over", "info", "take-when-called") in events(logged, "workflow")


async def test_a_run_that_goes_on_after_a_pause_is_not_taken_over(scope: Scope, counted: Counted):
    run = await take_slots.start(scope, Names(["a"]))
    await run.result()
    assert counted("recoveries_total", workflow="take-slots") == 0
    assert counted("runs_ended_total", workflow="take-slots", state="done") == 1


async def test_what_cannot_be_told_is_durable_all_the_same(scope: Scope, calls: Calls):
    told: list[str] = []

    def refuse(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        told.append(str(event["event"]))
        if event["event"] == "run_ended":
            raise OSError("no space left")
        raise DropEvent

    before = structlog.get_config()["processors"]
    structlog.configure(processors=[refuse])
    try:
        with pytest.raises(SlotForbidden):
            await take_then_fail.run(scope, TakeThenFail(["a"], "forbidden"))
    finally:
        structlog.configure(processors=before)
    assert calls == ["take a", "fail", "give back a"]
    assert told.count("run_ended") == told.count("telemetry_failed") == 1


async def until(scope: Scope, state: str) -> None:
    async with asyncio.timeout(10):
        while await scope.session.sql("SELECT status FROM workflow_run") != [(state,)]:  # noqa: ASYNC110, a row
            await asyncio.sleep(0.01)
