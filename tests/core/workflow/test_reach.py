"""Which steps an application knows through workflows that call them from afar."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from core.workflow import StepContext, step, workflow
from core.workflow.registry import Registry

from . import far
from .far import far_child, in_the_far

Body = Callable[[None], Coroutine[Any, Any, Any]]


async def by_a_child(data: None) -> str:
    return await far_child(data)


async def by_an_attribute(data: None) -> str:
    return await far.far_step()


async def by_a_function(data: None) -> None:
    await in_the_far()


async def by_a_comprehension(data: None) -> list[None]:
    return [await each() for each in far.FAR]


async def by_a_hook(data: None) -> None:
    await far.far_hook("")


def steps_of(body: Body) -> set[str]:
    """What an application knows that has this workflow alone, in a module without globals of interest."""
    body.__module__ = "nowhere"
    return {*Registry([workflow("nearby", version=1)(body)]).steps}


@pytest.mark.parametrize(
    ("body", "known"),
    [
        (by_a_child, {"far-step", "far-handler"}),
        (by_an_attribute, {"far-step"}),
        (by_a_function, {"far-in-a-class", "far-in-a-list"}),
        (by_a_comprehension, {"far-in-a-list"}),
        (by_a_hook, {"far-handler"}),
    ],
)
def test_knows_what_a_body_comes_to_call(body: Body, known: set[str]):
    assert known <= steps_of(body)


def test_knows_the_steps_of_children_in_closures():
    @step("deep")
    async def deep(ctx: StepContext) -> None: ...

    @workflow("deep-child", version=1)
    async def child(data: None) -> None:
        await deep()

    async def parent(data: None) -> None:
        await child(data)

    assert "deep" in steps_of(parent)


def test_workflows_that_call_each_other_are_followed_once():
    @workflow("ping", version=1)
    async def ping(data: None) -> None:
        await pong(data)

    @workflow("pong", version=1)
    async def pong(data: None) -> None:
        await far.far_step()
        await ping(data)

    assert "far-step" in Registry([ping]).steps
