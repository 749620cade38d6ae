"""A type that cannot be read back from the journal stops the start: no run gets to it."""

from collections.abc import Callable
from enum import Enum
from typing import Any, NoReturn

import msgspec
import pytest

from core.errors import ConfigurationError
from core.workflow import StepContext, StepResponse, hook, step, workflow
from core.workflow.registry import Registry

from .slots import SlotForbidden


class Left(msgspec.Struct):
    x: int


class Right(msgspec.Struct):
    y: int


class Pairs(Enum):
    ONE = (1, 2)


async def untagged(ctx: StepContext) -> Left | Right:
    return Left(1)


async def pairs(ctx: StepContext) -> StepResponse[int, Pairs]:
    return StepResponse(1, Pairs.ONE)


async def untold(ctx: StepContext):
    return 1


async def unresolved(ctx: StepContext) -> None: ...


unresolved.__annotations__["return"] = "Nowhere"

UNFIT = [
    (untagged, "multiple Struct types"),
    (pairs, "Enums must contain"),
    (untold, "needs a return annotation"),
    (unresolved, "name 'Nowhere' is not defined"),
]


@pytest.mark.parametrize(("fn", "why"), UNFIT)
@pytest.mark.parametrize("nested", [False, True])
def test_a_step_whose_result_cannot_be_read_back_stops_the_start(fn: Callable[..., Any], why: str, nested: bool):
    unfit = step("unfit")(fn)

    @workflow("child", version=1)
    async def child(data: None) -> None:
        await unfit()

    @workflow("parent", version=1)
    async def parent(data: None) -> None:
        await child(data)

    with pytest.raises(ConfigurationError, match=f"step unfit.*{why}"):
        Registry([parent if nested else child])


def test_a_handler_whose_result_cannot_be_read_back_stops_the_start():
    place = hook("place", int)

    @place.handler("unfit")
    async def handle(ctx: StepContext, data: int) -> Left | Right: ...

    with pytest.raises(ConfigurationError, match="step unfit"):
        Registry([], [place])


async def takes(data: Left | Right) -> None: ...


async def gives(data: None) -> list[Pairs]: ...


@pytest.mark.parametrize("body", [takes, gives])
@pytest.mark.parametrize("nested", [False, True])
def test_a_workflow_whose_types_cannot_be_read_back_stops_the_start(body: Callable[..., Any], nested: bool):
    unfit = workflow("unfit", version=1)(body)

    @workflow("parent", version=1)
    async def parent(data: Any) -> None:
        await unfit(data)

    with pytest.raises(ConfigurationError, match="workflow unfit"):
        Registry([parent if nested else unfit])


def test_what_is_refused_once_is_refused_again():
    unfit = workflow("unfit", version=1)(gives)
    registry = Registry([])
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="workflow unfit"):
            registry.learn(unfit)
    assert (registry.definitions, registry.steps) == ({}, {})


def test_a_step_that_always_raises_returns_nothing_to_be_read():
    async def raise_it(ctx: StepContext) -> None:
        raise SlotForbidden

    raise_it.__annotations__["return"] = NoReturn
    refuse = step("refuse")(raise_it)

    assert Registry([], [refuse]).steps == {"refuse": refuse}
