"""What is marked as secret never reaches the journal: it is refused when the step or workflow is made."""

from typing import Annotated

import msgspec
import pytest

from core.errors import ConfigurationError
from core.workflow import Secret, StepContext, StepResponse, step, workflow


class Card(msgspec.Struct, frozen=True):
    holder: str
    number: Annotated[str, Secret]


class Payment(msgspec.Struct, frozen=True):
    amount: int
    cards: list[Card]


class Reference(msgspec.Struct, frozen=True):
    payment_method_id: str


async def take(ctx: StepContext, payment: Payment) -> int:
    return payment.amount


async def look(ctx: StepContext, id: str) -> StepResponse[Card | None, str]:
    return StepResponse(None, compensate_with=id)


async def know(ctx: StepContext, pin: Annotated[str, Secret]) -> None: ...


@pytest.mark.parametrize(
    ("fn", "where"), [(take, "payment.cards.number"), (look, "the result.number"), (know, "pin")], ids=lambda each: ""
)
def test_a_secret_in_an_input_or_a_result_is_refused_and_named(fn: object, where: str):
    with pytest.raises(ConfigurationError, match=f"step pay: {where} is marked Secret"):
        step("pay")(fn)  # pyright: ignore[reportCallIssue, reportArgumentType]


def test_a_workflow_takes_no_secret_either():
    async def pay(data: Payment) -> None: ...

    with pytest.raises(ConfigurationError, match=r"workflow pay: data\.cards\.number is marked Secret"):
        workflow("pay", version=1)(pay)


def test_a_reference_is_no_secret():
    @step("pay-by-reference")
    async def pay(ctx: StepContext, method: Reference) -> Reference:
        return method

    assert pay.id == "pay-by-reference"
