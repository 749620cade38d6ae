"""NaN and the infinities are refused: JSON would have null for them, without a word."""

import re
from math import inf, nan
from typing import Any

import msgspec
import pytest

from core.container import Scope
from core.workflow import StepContext, UnstorableResult, step, workflow
from core.workflow.codec import encode

from .slots import Calls, Slot, take_slot

LOOKS_LIKE_NAN = int.from_bytes(b"\xcb\x7f\xf8\0\0\0\0\0")


class Price(msgspec.Struct):
    amount: float
    note: str | None = None


@pytest.mark.parametrize(
    "value", [nan, -inf, [1, inf], {"a": (None, {"b": nan})}, Price(inf), {2**70: nan}, [{None: nan}, [2**70]]], ids=str
)
def test_what_is_no_number_is_refused(value: object):
    with pytest.raises(UnstorableResult, match=re.escape("the value cannot be stored: ")):
        encode(value, "the value")


@pytest.mark.parametrize(
    "value",
    [
        None,
        [None, 1.5],
        {"a": "null"},
        Price(1e300),
        [None, LOOKS_LIKE_NAN],
        [None, 2**70],
        [None, 2**70, msgspec.Raw(b"1")],
    ],
    ids=range(7),
)
def test_what_is_nothing_is_not_refused(value: object):
    assert b"null" in encode(value, "the value")


async def test_a_step_that_returns_no_number_fails(scope: Scope, calls: Calls):
    @step("divide")
    async def divide(ctx: StepContext) -> float | None:
        return nan

    @workflow("take-and-divide", version=1)
    async def take_and_divide(data: None) -> Any:
        await take_slot(Slot(name="a"))
        return await divide()

    with pytest.raises(UnstorableResult, match="the result of step divide cannot be stored: it holds NaN"):
        await take_and_divide.run(scope, None)
    assert calls == ["take a", "give back a"]
