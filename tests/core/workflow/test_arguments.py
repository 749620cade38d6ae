"""A step is given its arguments in a copy if they can change at all: the body sees them as at its replay."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, NamedTuple

import msgspec
import pytest

from core.container import Scope
from core.testing import replay_after_every_call
from core.workflow import StepContext, step, workflow
from core.workflow.step import StepCall

from .slots import Slot, take_slot


@dataclass(eq=False)
class Basket:
    names: list[str] = field(default_factory=list[str])


class Holder(msgspec.Struct, frozen=True):
    basket: Basket


class Pair(NamedTuple):
    basket: Basket
    number: int


class Loose(msgspec.Struct, eq=False):
    names: list[str]


class Colour(Enum):
    RED = "red"


@step("put-in", read=True)
async def put_in(ctx: StepContext, basket: Basket) -> int:
    basket.names.append("apple")
    return len(basket.names)


@workflow("put-in-twice", version=1)
async def put_in_twice(data: None) -> tuple[int, int, list[str]]:
    basket = Basket()
    return await put_in(basket), await put_in(basket), basket.names


async def test_a_body_does_not_see_what_a_step_does_to_an_object_that_has_a_hash(scope: Scope):
    first = await put_in_twice.run(scope, None)
    with replay_after_every_call():
        assert await put_in_twice.run(scope, None) == first == (1, 1, [])


@pytest.mark.parametrize(
    "value",
    [Basket(), Holder(Basket()), Pair(Basket(), 1), (1, Basket()), frozenset({Basket()}), Loose([]), [1]],
    ids=lambda value: type(value).__name__,
)
def test_what_can_change_is_copied(value: Any):
    (positional,), named = StepCall(take_slot, (value,), {"also": value}).own_arguments()
    assert positional is not value
    assert named["also"] is not value


@pytest.mark.parametrize(
    "value",
    [None, "a", 1, datetime(2026, 1, 1, tzinfo=UTC), Colour.RED, (1, ("a", Colour.RED)), Slot(name="a")],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_change_is_not_copied(value: Any):
    (positional,), named = StepCall(take_slot, (value,), {"also": value}).own_arguments()
    assert positional is value
    assert named["also"] is value
