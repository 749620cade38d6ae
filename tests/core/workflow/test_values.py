"""Values and errors are data: a body gets the decoded copy, at the first run as at any other."""

from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any

import msgspec
import pytest

from core.container import Scope
from core.errors import InvalidData
from core.workflow import StepContext, StepFailed, UnstorableResult, sleep, step, workflow

from .slots import Calls, Names, Slot, SlotForbidden, SlotTaken, runs, slots, take_slot


class Colour(Enum):
    RED = "red"


class Everything(msgspec.Struct, frozen=True):
    slot: Slot
    at: datetime
    colour: Colour
    number: int
    pair: tuple[int, str]
    nothing: None = None


EVERYTHING = Everything(Slot(name="a"), datetime(2026, 3, 29, 1, 30, tzinfo=UTC), Colour.RED, 2**70, (1, "ü🦊\\u0000"))


async def test_t4_a_later_step_gets_an_earlier_value_with_its_types(scope: Scope):
    made: list[Everything] = []
    received: list[Everything] = []

    @step("make")
    async def make(ctx: StepContext) -> Everything:
        made.append(EVERYTHING)
        return made[0]

    @step("receive")
    async def receive(ctx: StepContext, everything: Everything) -> None:
        received.append(everything)

    @workflow("pass-on", version=1)
    async def pass_on(data: None) -> Everything:
        everything = await make()
        await receive(everything)
        return everything

    result = await pass_on.run(scope, None, key="k")

    assert received == [EVERYTHING]
    assert received[0] is not made[0]
    assert result == EVERYTHING
    assert await pass_on.run(scope, None, key="k") == EVERYTHING


async def test_a_body_that_changes_its_input_or_a_value_changes_a_copy(scope: Scope):
    numbers = [1, 2]

    @step("give")
    async def give(ctx: StepContext) -> list[int]:
        return numbers

    @workflow("append", version=1)
    async def append(data: list[int]) -> list[int]:
        data.append(3)
        (await give()).append(3)
        return data

    given = [0]
    assert await append.run(scope, given) == [0, 3]
    assert given == [0]
    assert numbers == [1, 2]


class Foreign:
    pass


@pytest.mark.parametrize(
    "value",
    ["a\0", {"k\0": 1}, "\ud800", Foreign(), {(1, 2): 3}],
    ids=["nul", "nul in a key", "surrogate", "foreign", "key"],
)
async def test_a_value_that_cannot_be_stored_fails_its_step(scope: Scope, calls: Calls, value: object):
    @step("give")
    async def give(ctx: StepContext) -> Any:
        await ctx.scope.session.writable("give").sql("INSERT INTO slot VALUES ('given', '')")
        return value

    @workflow("take-and-give", version=1)
    async def take_and_give(data: None) -> None:
        await take_slot(Slot(name="a"))
        await give()

    with pytest.raises(UnstorableResult, match="the result of step give cannot be stored"):
        await take_and_give.run(scope, None)

    assert calls == ["take a", "give back a"]
    assert await slots(scope) == []


async def test_a_value_that_contains_itself_fails_its_step(scope: Scope):
    @step("give")
    async def give(ctx: StepContext) -> list[Any]:
        value: list[Any] = []
        value.append(value)
        return value

    @workflow("give", version=1)
    async def give_once(data: None) -> list[Any]:
        return await give()

    with pytest.raises(UnstorableResult):
        await give_once.run(scope, None)


async def test_an_escaped_backslash_before_u0000_is_no_nul(scope: Scope):
    @step("give")
    async def give(ctx: StepContext) -> str:
        return "\\u0000"

    @workflow("give", version=1)
    async def give_once(data: None) -> str:
        return await give()

    assert await give_once.run(scope, None, key="k") == "\\u0000"
    assert await give_once.run(scope, None, key="k") == "\\u0000"


async def test_a_value_of_another_type_than_annotated_fails_its_step(scope: Scope):
    @step("give")
    async def give(ctx: StepContext) -> int:
        return "five"  # pyright: ignore[reportReturnType]

    @workflow("give", version=1)
    async def give_once(data: None) -> int:
        return await give()

    with pytest.raises(UnstorableResult, match="does not fit its annotation"):
        await give_once.run(scope, None)


async def test_a_result_that_cannot_be_stored_undoes_the_run(scope: Scope, calls: Calls):
    @workflow("take-and-return", version=1)
    async def take_and_return(data: Slot) -> Any:
        await take_slot(data)
        return Foreign()

    with pytest.raises(UnstorableResult, match="the result of workflow take-and-return"):
        await take_and_return.run(scope, Slot(name="a"))

    assert calls == ["take a", "give back a"]
    assert await runs(scope) == [("take-and-return", "compensated", None)]


async def test_an_argument_that_cannot_be_stored_is_an_error_at_the_call(scope: Scope, calls: Calls):
    @workflow("take-nul", version=1)
    async def take_nul(data: None) -> str:
        try:
            await take_slot(Slot(name="a\0"))
        except UnstorableResult as error:
            return error.detail
        return ""

    assert "the input of step take-slot" in await take_nul.run(scope, None)
    assert calls == []


@pytest.mark.parametrize("data", [Names(["a\0"]), Foreign(), "no names"], ids=["nul", "foreign", "other type"])
async def test_an_input_that_cannot_be_stored_or_has_another_type_is_invalid(scope: Scope, calls: Calls, data: Any):
    @workflow("take-first", version=1)
    async def take_first(data: Names) -> None:
        await take_slot(Slot(name=data.names[0]))

    with pytest.raises(InvalidData):
        await take_first.run(scope, data)

    assert calls == []


async def test_an_error_of_the_tree_comes_back_as_its_class_with_its_data(scope: Scope):
    raised: list[SlotTaken] = []
    caught: list[SlotTaken] = []

    @step("refuse")
    async def fail(ctx: StepContext) -> None:
        raised.append(SlotTaken("it is gone", slot="a", until=datetime(2026, 1, 1, tzinfo=UTC)))
        raise raised[0]

    @workflow("fail-and-tell", version=1)
    async def fail_and_tell(data: None) -> dict[str, Any]:
        try:
            await fail()
        except SlotTaken as error:
            caught.append(error)
            return {"detail": error.detail, "data": error.data}
        return {}

    # `data` is plain JSON, as it will be when read back.
    assert await fail_and_tell.run(scope, None) == {
        "detail": "it is gone",
        "data": {"slot": "a", "until": "2026-01-01T00:00:00Z"},
    }
    assert caught[0] is not raised[0]
    assert caught[0].__cause__ is raised[0]


async def test_any_other_error_comes_back_as_step_failed(scope: Scope):
    @step("refuse")
    async def fail(ctx: StepContext) -> None:
        raise KeyError("nope")

    @workflow("fail", version=1)
    async def fail_once(data: None) -> None:
        await fail()

    with pytest.raises(StepFailed, match="step refuse failed: KeyError: 'nope'") as caught:
        await fail_once.run(scope, None)

    assert (caught.value.step, caught.value.error_type) == ("refuse", "KeyError")


async def test_an_error_whose_text_cannot_be_stored_keeps_its_class(scope: Scope):
    @step("refuse")
    async def fail(ctx: StepContext) -> None:
        raise SlotForbidden("binary \0\ud800 text")

    @workflow("take-and-fail", version=1)
    async def take_and_fail(data: None) -> None:
        await take_slot(Slot(name="a"))
        await fail()

    with pytest.raises(SlotForbidden, match=r"binary \?\? text"):
        await take_and_fail.run(scope, None, key="k")
    with pytest.raises(SlotForbidden, match=r"binary \?\? text") as caught:
        await take_and_fail.run(scope, None, key="k")

    assert caught.value.replayed


async def test_an_error_whose_data_cannot_be_stored_is_unstorable(scope: Scope):
    @step("refuse")
    async def fail(ctx: StepContext) -> None:
        raise SlotForbidden(foreign=Foreign())

    @workflow("take-and-fail", version=1)
    async def take_and_fail(data: None) -> None:
        await take_slot(Slot(name="a"))
        await fail()

    with pytest.raises(UnstorableResult, match="the error of step refuse"):
        await take_and_fail.run(scope, None)

    assert await slots(scope) == []


@pytest.mark.parametrize("number", [1e16, -1.5e22, -0.0, 1e-7, 5e-324, 1.0, 2**64, '"1e16,-0.0'])
async def test_a_number_is_read_back_as_it_was_first_seen(scope: Scope, number: object):
    @step("give-number", read=True)
    async def give_number(ctx: StepContext) -> Any:
        return number

    @step("take-numbers")
    async def take_numbers(ctx: StepContext, given: object, twice: list[object]) -> None: ...

    @workflow("pass-number-on", version=1)
    async def pass_number_on(data: None) -> Any:
        given = await give_number()
        await take_numbers(given, [given, {"number": given}])
        await sleep(timedelta(milliseconds=1))
        return given

    assert await pass_number_on.run(scope, None) == number


async def test_a_dictionary_keeps_keys_that_are_no_text(scope: Scope):
    days = {date(2026, 3, 29): {2: "b", 1: "a"}}

    @step("give-days")
    async def give_days(ctx: StepContext) -> dict[date, dict[int, str]]:
        return days

    @workflow("give-days", version=1)
    async def give_days_twice(data: None) -> dict[date, dict[int, str]]:
        given = await give_days()
        await sleep(timedelta(milliseconds=1))
        return given

    assert await give_days_twice.run(scope, None) == days
