"""How many transactions a run commits, and what the journal says afterwards."""

from contextlib import suppress
from datetime import timedelta

import psycopg
import pytest

from core.container import Scope
from core.workflow import StepContext, StepFailed, step, workflow

from .slots import (
    Names,
    Slot,
    SlotForbidden,
    TakeThenFail,
    commits,
    count,
    entries,
    runs,
    slots,
    take_and_count,
    take_one,
    take_slots,
    take_then_fail,
)


async def test_a_saga_of_one_step_commits_once(scope: Scope):
    assert await take_one.run(scope, Slot(name="a")) == Slot(name="a")

    assert await commits(scope) == 1
    assert await slots(scope) == ["a"]
    assert await runs(scope) == [("take-one", "done", None)]
    assert await entries(scope) == [("1", "take-slot", "transactional", None)]


async def test_a_keyed_saga_of_one_step_commits_once(scope: Scope):
    await take_one.run(scope, Slot(name="a"), key="k")

    assert await commits(scope) == 1
    assert await runs(scope) == [("take-one", "done", "k")]


async def test_three_transactional_steps_commit_three_times(scope: Scope):
    assert await take_slots.run(scope, Names(["a", "b", "c"])) == ["a", "b", "c"]

    assert await commits(scope) == 3
    assert [path for path, *_ in await entries(scope)] == ["1", "2", "3"]
    assert await runs(scope) == [("take-slots", "done", None)]


async def test_a_run_that_only_reads_writes_nothing(scope: Scope):
    assert await count.run(scope, None) == 0

    assert await commits(scope) == 0
    assert await runs(scope) == []


async def test_a_keyed_run_that_only_reads_commits_its_row(scope: Scope):
    assert await count.run(scope, None, key="k") == 0

    assert await commits(scope) == 1
    assert await runs(scope) == [("count", "done", "k")]
    assert await entries(scope) == [("1", "count-slots", "read", None)]


async def test_a_read_after_a_write_costs_one_more_commit(scope: Scope):
    assert await take_and_count.run(scope, Slot(name="a")) == 1

    assert await commits(scope) == 2
    assert [entry[:3] for entry in await entries(scope)] == [
        ("1", "take-slot", "transactional"),
        ("2", "count-slots", "read"),
    ]


async def test_a_failure_in_the_first_step_commits_nothing(scope: Scope):
    with pytest.raises(StepFailed):
        await take_then_fail.run(scope, TakeThenFail([], "broken"))

    assert await commits(scope) == 0
    assert await runs(scope) == []
    assert await slots(scope) == []


async def test_a_failure_in_the_first_keyed_step_commits_nothing(scope: Scope):
    with pytest.raises(SlotForbidden):
        await take_then_fail.run(scope, TakeThenFail([], "forbidden"), key="k")

    assert await commits(scope) == 0
    assert await runs(scope) == []


async def test_a_failure_in_the_third_step_costs_two_steps_one_note_and_two_undos(scope: Scope):
    with pytest.raises(SlotForbidden):
        await take_then_fail.run(scope, TakeThenFail(["a", "b"], "forbidden"))

    assert await commits(scope) == 5
    assert await runs(scope) == [("take-then-fail", "compensated", None)]
    assert await entries(scope) == [
        ("1", "take-slot", "transactional", None),
        ("2", "take-slot", "transactional", None),
        ("3", "fail", "transactional", "test_slot_forbidden"),
        ("0", "take-then-fail", "failure", "test_slot_forbidden"),
        ("2:undo", "take-slot", "undo", None),
        ("1:undo", "take-slot", "undo", None),
    ]


async def test_a_run_that_leaves_no_row_fails_when_its_transaction_had(scope: Scope):
    @step("swallow-unkept")
    async def swallow(ctx: StepContext) -> None:
        transaction = ctx.scope.session.writable("swallow")
        await transaction.sql("INSERT INTO slot VALUES ('a', '')")
        with suppress(psycopg.Error):
            await transaction.sql("SELECT 1 / 0")

    @workflow("swallow-unkept", version=1, retention=timedelta(0))
    async def swallow_unkept(data: None) -> None:
        await swallow()

    with pytest.raises(StepFailed, match="InFailedSqlTransaction"):
        await swallow_unkept.run(scope, None)

    assert await slots(scope) == []
