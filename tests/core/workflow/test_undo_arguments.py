"""What a compensation cannot be given fails the step at once, not the undoing of the run."""

import pytest

from core.container import Scope
from core.workflow import StepContext, StepResponse, UnstorableResult, step, workflow

from .slots import Calls, Slot, runs, slots, take_slot


@step("take-wrongly")
async def take_wrongly(ctx: StepContext, name: str) -> StepResponse[str, int]:
    await ctx.scope.session.writable("take_wrongly").sql("INSERT INTO slot VALUES (%s, '')", (name,))
    return StepResponse(name, compensate_with=name)  # pyright: ignore[reportReturnType]


@take_wrongly.compensate
async def give_back(ctx: StepContext, number: int) -> None:
    ctx.resolve(Calls).append(f"give back number {number}")


@workflow("take-both", version=1)
async def take_both(data: None) -> None:
    await take_slot(Slot(name="a"))
    await take_wrongly("b")


async def test_an_undo_argument_of_another_type_than_annotated_fails_its_step(scope: Scope, calls: Calls):
    with pytest.raises(UnstorableResult, match="the undo argument of step take-wrongly does not fit"):
        await take_both.run(scope, None)
    assert calls == ["take a", "give back a"]
    assert await slots(scope) == []
    assert [status for _, status, _ in await runs(scope)] == ["compensated"]
