"""A mistake in the code of a workflow ends the run with an error that says so; it never leaves the run hanging."""

from datetime import timedelta
from enum import Enum
from typing import Any, NoReturn

import msgspec
import pytest

from core.app import Application
from core.container import Scope
from core.errors import ConfigurationError, HoldfastError, InvalidData
from core.workflow import (
    Retry,
    Runs,
    StepContext,
    StepFailed,
    UnstorableResult,
    WorkflowFailed,
    step,
    wait_for,
    workflow,
)
from core.workflow.codec import ErrorData, decode, describe_error, encode, error_data, restore_error

from .conftest import until_no_connection_is_out
from .slots import Calls, Slot, SlotTaken, runs, slots, take_slot


class Cash(msgspec.Struct, frozen=True):
    cents: int


class Points(msgspec.Struct, frozen=True):
    number: int


class Place(Enum):
    """Which msgspec encodes and refuses to decode."""

    FRONT = (1, 2)


class Moody(msgspec.Struct):
    cents: int

    def __post_init__(self) -> None:
        raise KeyError(self.cents)


class Half(msgspec.Struct):
    cents: int


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Hasty(HoldfastError):
    """It was made in a hurry."""

    code = "test_hasty"
    status = 422

    def __init__(self, minutes: int) -> None:
        self.minutes = minutes


class Nameless(HoldfastError):
    """It is made from what the journal does not keep."""

    code = "test_nameless"

    @classmethod
    def restore(cls, detail: str, data: dict[str, Any]) -> "Nameless":
        raise KeyError("name")


@pytest.mark.parametrize("kind", [Cash | Points, Place, Moody], ids=["union", "enum", "post-init"])
def test_a_type_that_cannot_be_read_is_told_of_the_value(kind: object):
    with pytest.raises(UnstorableResult, match="the thing does not fit its annotation"):
        decode(b'{"cents":1}', kind, "the thing")


def test_what_is_no_json_is_told_of_the_value():
    with pytest.raises(UnstorableResult, match="the thing does not fit its annotation"):
        decode(b"{bad", Any, "the thing")


def test_whatever_an_encoding_raises_is_told_of_the_value():
    half = Half(cents=1)
    del half.cents
    with pytest.raises(UnstorableResult, match="the thing cannot be stored: Struct field 'cents' is unset"):
        encode(half, "the thing")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Hasty(5), ErrorData("test_hasty", "5", {})),
        (SlotTaken(404), ErrorData("test_slot_taken", "404", {})),  # pyright: ignore[reportArgumentType]
    ],
    ids=["no super().__init__()", "no text"],
)
def test_an_error_that_is_made_wrongly_keeps_its_class(error: HoldfastError, said: ErrorData):
    assert describe_error(error, "pay") == error_data(error, "the error") == said
    assert type(restore_error(said)) is type(error)


def test_an_error_without_a_text_is_told_by_its_name():
    data = describe_error(Silent(), "pay")
    assert data.detail == "step pay failed: Silent: no text, because of a RuntimeError"


def test_an_error_with_odd_data_is_unstorable():
    error = SlotTaken("gone")
    error.data = ["no dictionary"]  # pyright: ignore[reportAttributeAccessIssue]
    assert error_data(error, "the error").code == "unstorable_result"


def test_an_error_whose_class_cannot_be_made_again_comes_back_as_step_failed():
    error = restore_error(ErrorData("test_nameless", "no name", {}))
    assert isinstance(error, StepFailed)
    assert error.detail == "no name"


@step("fail-oddly")
async def fail_oddly(ctx: StepContext, how: str) -> None:
    fail(how)


def fail(how: str) -> NoReturn:
    if how == "silent":
        raise Silent
    if how == "hasty":
        raise Hasty(5)
    raise SlotTaken(404)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("where", ["in the step", "in the body"])
@pytest.mark.parametrize(
    ("how", "error"),
    [("silent", (StepFailed, WorkflowFailed)), ("hasty", Hasty), ("number", SlotTaken)],
    ids=["silent", "hasty", "number"],
)
async def test_a_run_ends_with_an_error_that_is_made_wrongly(scope: Scope, where: str, how: str, error: Any):
    @workflow("take-and-fail-oddly", version=1)
    async def take_and_fail_oddly(data: None) -> None:
        await take_slot(Slot(name="a"))
        if where == "in the step":
            await fail_oddly(how)
        fail(how)

    with pytest.raises(error):
        await take_and_fail_oddly.run(scope, None)
    assert [status for _, status, _ in await runs(scope)] == ["compensated"]
    assert await slots(scope) == []


async def test_an_error_that_is_made_wrongly_can_be_told_to_the_caller(scope: Scope):
    @workflow("fail-oddly-at-once", version=1)
    async def fail_oddly_at_once(data: None) -> None:
        fail("hasty")

    with pytest.raises(Hasty) as caught:
        await fail_oddly_at_once.run(scope, None)
    assert (caught.value.detail, caught.value.data, caught.value.minutes) == ("5", {}, 5)


async def test_a_step_with_a_name_in_its_annotation_that_nobody_knows_is_refused(scope: Scope, calls: Calls):
    @step("pay-unknown")
    async def pay(ctx: StepContext) -> "Unknown":  # pyright: ignore[reportUndefinedVariable, reportUnknownParameterType]  # noqa: F821
        ctx.resolve(Calls).append("pay")

    hidden: list[list[Any]] = [[pay]]  # where no application looks for steps when it starts

    @workflow("take-and-pay", version=1)
    async def take_and_pay(data: None) -> None:
        await take_slot(Slot(name="a"))
        await hidden[0][0]()

    with pytest.raises(ConfigurationError, match="the annotations of step pay-unknown cannot be read"):
        await take_and_pay.run(scope, None)
    assert calls == ["take a", "give back a"]


async def test_a_workflow_whose_result_its_own_class_refuses_is_undone(scope: Scope, calls: Calls):
    @workflow("take-and-end", version=1)
    async def take_and_end(data: None) -> Moody:
        await take_slot(Slot(name="a"))
        await take_slot(Slot(name="b"))
        return {"cents": 1}  # pyright: ignore[reportReturnType]

    with pytest.raises(UnstorableResult, match="the result of workflow take-and-end"):
        await take_and_end.run(scope, None)
    assert calls == ["take a", "take b", "give back b", "give back a"]


async def test_a_child_whose_input_its_own_class_refuses_is_an_error_in_the_body(scope: Scope, calls: Calls):
    @workflow("pay-moody", version=1)
    async def pay(data: Moody) -> None: ...

    @workflow("take-and-pay", version=1)
    async def take_and_pay(data: None) -> None:
        await take_slot(Slot(name="a"))
        await pay({"cents": 1})  # pyright: ignore[reportArgumentType]

    with pytest.raises(InvalidData, match="the input of workflow pay-moody"):
        await take_and_pay.run(scope, None)
    assert calls == ["take a", "give back a"]


@pytest.mark.parametrize("kind", [Place, Cash | Points], ids=["enum", "union"])
async def test_a_wait_for_a_value_that_cannot_be_read_is_refused(scope: Scope, calls: Calls, kind: Any):
    @workflow("take-and-wait", version=1)
    async def take_and_wait(data: None) -> None:
        await take_slot(Slot(name="a"))
        await wait_for("place", kind)

    with pytest.raises(ConfigurationError, match="the value of wait_for 'place' cannot be read back"):
        await take_and_wait.run(scope, None)
    assert calls == ["take a", "give back a"]


async def test_a_signal_whose_class_raises_what_it_likes_is_an_error_in_the_body(app: Application, scope: Scope):
    @workflow("take-and-wait", version=1)
    async def take_and_wait(data: None) -> None:
        await take_slot(Slot(name="a"))
        await wait_for("moody", Moody)

    run = await take_and_wait.start(scope, None)
    await scope.resolve(Runs).signal(run.id, "moody", {"cents": 1})
    with pytest.raises(InvalidData, match="signal 'moody' does not fit"):
        await run.result(wait=timedelta(seconds=5))
    assert await slots(scope) == []
    await until_no_connection_is_out(app)


def broken(error: Exception) -> bool:
    return error.args[7] == "again"


async def test_a_condition_for_another_attempt_that_raises_says_no(scope: Scope, calls: Calls):
    @step("pay-once", external=True, retry=Retry(attempts=3, backoff=timedelta(milliseconds=1), on=broken))
    async def pay(ctx: StepContext) -> None:
        ctx.resolve(Calls).append("pay")
        raise ConnectionError

    @workflow("take-and-pay", version=1)
    async def take_and_pay(data: None) -> None:
        await take_slot(Slot(name="a"))
        await pay()

    with pytest.raises(StepFailed, match="ConnectionError"):
        await take_and_pay.run(scope, None)
    assert calls == ["take a", "pay", "give back a"]


def test_one_class_of_errors_is_taken_as_that_class():
    retry = Retry(on=ConnectionError)
    assert retry.again(ConnectionResetError(), 1)
    assert not retry.again(ValueError(), 1)
