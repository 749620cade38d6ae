"""A run that fails takes back what it did, latest first."""

from datetime import UTC, datetime

import msgspec
import pytest

from core.container import Scope
from core.workflow import StepContext, StepFailed, StepResponse, WorkflowFailed, step, workflow

from .slots import (
    Calls,
    Names,
    Slot,
    SlotForbidden,
    TakeThenFail,
    commits,
    entries,
    runs,
    slots,
    take_slot,
    take_then_fail,
)


async def test_t5_undoes_the_second_step_before_the_first_when_the_third_fails(scope: Scope, calls: Calls):
    with pytest.raises(SlotForbidden):
        await take_then_fail.run(scope, TakeThenFail(["a", "b"], "forbidden"))

    assert calls == ["take a", "take b", "fail", "give back b", "give back a"]
    assert await slots(scope) == []
    assert await runs(scope) == [("take-then-fail", "compensated", None)]


async def test_undoes_in_the_order_of_numbers_and_not_of_text(scope: Scope, calls: Calls):
    names = [f"s{number}" for number in range(1, 12)]
    with pytest.raises(SlotForbidden):
        await take_then_fail.run(scope, TakeThenFail(names, "forbidden"))

    assert calls[-11:] == [f"give back {name}" for name in reversed(names)]


async def test_c10_nothing_stays_of_what_the_failing_step_wrote(scope: Scope):
    with pytest.raises(SlotForbidden):
        await take_then_fail.run(scope, TakeThenFail(["a"], "forbidden"))

    assert "partial" not in await slots(scope)


class Receipt(msgspec.Struct, frozen=True):
    slot: Slot
    at: datetime


AT = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


async def test_c11_an_undo_gets_its_stored_argument_with_its_types(scope: Scope):
    given: list[Receipt] = []

    @step("sell")
    async def sell(ctx: StepContext) -> StepResponse[int, Receipt]:
        return StepResponse(2500, compensate_with=Receipt(Slot(name="a"), AT))

    @sell.compensate
    async def refund(ctx: StepContext, receipt: Receipt) -> None:
        given.append(receipt)

    @workflow("sell-and-fail", version=1)
    async def sell_and_fail(data: None) -> None:
        assert await sell() == 2500
        raise SlotForbidden

    with pytest.raises(SlotForbidden):
        await sell_and_fail.run(scope, None)

    assert given == [Receipt(Slot(name="a"), AT)]


async def test_a_plain_value_is_its_own_undo_argument(scope: Scope):
    given: list[Slot] = []

    @step("name")
    async def name(ctx: StepContext) -> Slot:
        return Slot(name="a")

    @name.compensate
    async def forget(ctx: StepContext, slot: Slot) -> None:
        given.append(slot)

    @workflow("name-and-fail", version=1)
    async def name_and_fail(data: None) -> None:
        await name()
        raise SlotForbidden

    with pytest.raises(SlotForbidden):
        await name_and_fail.run(scope, None)

    assert given == [Slot(name="a")]


async def test_t12_a_step_without_compensation_is_passed_over(scope: Scope, calls: Calls):
    @step("note")
    async def note(ctx: StepContext) -> None:
        ctx.resolve(Calls).append("note")
        await ctx.scope.session.writable("note").sql("INSERT INTO slot VALUES ('note', '')")

    @workflow("take-note-fail", version=1)
    async def take_note_fail(data: None) -> None:
        await take_slot(Slot(name="a"))
        await note()
        raise SlotForbidden

    with pytest.raises(SlotForbidden):
        await take_note_fail.run(scope, None)

    assert calls == ["take a", "note", "give back a"]
    assert await slots(scope) == ["note"]
    assert await runs(scope) == [("take-note-fail", "compensated", None)]


async def test_a_failed_run_with_nothing_to_undo_is_failed(scope: Scope):
    @step("note")
    async def note(ctx: StepContext) -> None:
        await ctx.scope.session.writable("note").sql("INSERT INTO slot VALUES ('note', '')")

    @workflow("note-and-fail", version=1)
    async def note_and_fail(data: None) -> None:
        await note()
        raise SlotForbidden

    with pytest.raises(SlotForbidden):
        await note_and_fail.run(scope, None)

    assert await runs(scope) == [("note-and-fail", "failed", None)]
    assert await commits(scope) == 1


async def test_t9_a_failure_that_the_body_catches_undoes_nothing(scope: Scope, calls: Calls):
    @workflow("carry-on", version=1)
    async def carry_on(data: None) -> str:
        await take_slot(Slot(name="a"))
        try:
            await take_slot(Slot(name="a"))
        except StepFailed as error:
            return error.error_type
        return "nothing failed"

    assert await carry_on.run(scope, None) == "UniqueViolation"

    assert calls == ["take a", "take a"]
    assert await slots(scope) == ["a"]
    assert await runs(scope) == [("carry-on", "done", None)]


async def test_an_error_of_the_body_itself_undoes_its_uncommitted_step_too(scope: Scope, calls: Calls):
    @workflow("take-and-trip", version=1)
    async def take_and_trip(data: None) -> None:
        await take_slot(Slot(name="a"))
        raise ZeroDivisionError("tripped")

    with pytest.raises(WorkflowFailed, match="ZeroDivisionError: tripped") as caught:
        await take_and_trip.run(scope, None)

    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert calls == ["take a", "give back a"]
    assert await slots(scope) == []


async def test_t8_when_an_undo_fails_the_older_ones_still_run(scope: Scope, calls: Calls):
    @step("stick")
    async def stick(ctx: StepContext) -> str:
        return "glue"

    @stick.compensate
    async def unstick(ctx: StepContext, what: str) -> None:
        ctx.resolve(Calls).append("unstick")
        await ctx.scope.session.writable("unstick").sql("INSERT INTO slot VALUES ('partial', '')")
        raise ValueError(f"{what} does not come off")

    @workflow("stick-between", version=1)
    async def stick_between(data: None) -> None:
        await take_slot(Slot(name="a"))
        await stick()
        await take_slot(Slot(name="b"))
        raise SlotForbidden

    with pytest.raises(SlotForbidden):
        await stick_between.run(scope, None)

    assert calls == ["take a", "take b", "give back b", *["unstick"] * 3, "give back a"]
    assert await slots(scope) == []
    assert await runs(scope) == [("stick-between", "compensation_failed", None)]
    assert ("2:undo", "stick", "undo", "step_failed") in await entries(scope)
    [(detail,)] = await scope.session.sql("SELECT entry #>> '{error,detail}' FROM workflow_step WHERE path = '2:undo'")
    assert "glue does not come off" in detail


async def test_an_undo_that_the_database_refuses_at_commit_has_failed(scope: Scope, calls: Calls):
    @workflow("take-what-stays", version=1)
    async def take_what_stays(data: None) -> None:
        await take_slot(Slot(name="a"))
        await take_slot(Slot(name="b", note="refuse giving back"))
        raise SlotForbidden

    with pytest.raises(SlotForbidden):
        await take_what_stays.run(scope, None)

    assert calls == ["take a", "take b", *["give back b"] * 3, "give back a"]
    assert await slots(scope) == ["b"]
    assert await runs(scope) == [("take-what-stays", "compensation_failed", None)]


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
async def test_an_undo_is_repeated_after_a_serialization_failure(scope: Scope, sqlstate: str):
    attempts: list[int] = []

    @step("mark")
    async def mark(ctx: StepContext) -> str:
        return sqlstate

    @mark.compensate
    async def unmark(ctx: StepContext, state: str) -> None:
        attempts.append(ctx.attempt)
        if ctx.attempt < 3:
            await raise_in_server(ctx, state)

    @workflow("mark-and-fail", version=1)
    async def mark_and_fail(data: None) -> None:
        await mark()
        raise SlotForbidden

    with pytest.raises(SlotForbidden):
        await mark_and_fail.run(scope, None)

    assert attempts == [1, 2, 3]
    assert await runs(scope) == [("mark-and-fail", "compensated", None)]


async def raise_in_server(ctx: StepContext, sqlstate: str) -> None:
    await ctx.scope.session.writable("raise").sql("SELECT raise_state(%s)", (sqlstate,))


async def test_an_undo_sees_the_run_and_its_path(scope: Scope):
    seen: list[str] = []

    @step("mark")
    async def mark(ctx: StepContext) -> str:
        return ctx.token

    @mark.compensate
    async def unmark(ctx: StepContext, token: str) -> None:
        assert ctx.token == f"{token}:undo"
        seen.append(ctx.context["actor"])

    @workflow("mark-and-fail", version=1)
    async def mark_and_fail(data: Names) -> None:
        await mark()
        raise SlotForbidden

    with pytest.raises(SlotForbidden):
        await mark_and_fail.run(scope, Names([]), context={"actor": "jo"})

    assert seen == ["jo"]
