"""What is marked as secret never reaches the journal: it is refused when the step or workflow is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, NewType, NotRequired, TypedDict, TypeVar

import msgspec
import pytest

from core.container import Scope
from core.errors import ConfigurationError
from core.workflow import Secret, StepContext, StepResponse, hook, step, wait_for, workflow

T = TypeVar("T")


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


@dataclass
class PlainCard:
    number: Annotated[str, Secret]


class NamedCard(NamedTuple):
    number: Annotated[str, Secret()]


class TypedCard(TypedDict):
    number: NotRequired[Annotated[str, Secret]]


class Box(msgspec.Struct, Generic[T]):
    content: T
    number: Annotated[str, Secret]


class Shelf(msgspec.Struct, Generic[T]):
    content: T
    above: "Shelf[T] | None" = None
    spare: "ClassVar[Card | None]" = None


class Early(msgspec.Struct):
    number: Annotated[str, Secret]
    later: "Later"  # pyright: ignore[reportUndefinedVariable]  # noqa: F821


NewCard = NewType("NewCard", PlainCard)

KINDS: list[Any] = [
    PlainCard,
    NamedCard,
    TypedCard,
    NewCard,
    Early,
    Box[int],
    Shelf[Card],
    Shelf[Annotated[str, Secret]],
    int | PlainCard | None,
    Mapping[str, list[tuple[int, TypedCard]]],
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_secret_is_found_in_whatever_can_be_stored(kind: Any):
    with pytest.raises(ConfigurationError, match=r"step pay: card(\.number)? is marked Secret"):
        step("pay")(taking(kind))


def taking(kind: Any) -> Any:
    async def pay(ctx: StepContext, card: object) -> None: ...

    pay.__annotations__["card"] = kind
    return pay


@pytest.mark.parametrize("kind", [Shelf[int], Shelf[Reference], dict[str, int], NewType("Id", str)], ids=str)
def test_what_holds_no_secret_is_taken(kind: Any):
    assert step("pay")(taking(kind)).id == "pay"


def test_a_hook_takes_no_secret():
    with pytest.raises(ConfigurationError, match=r"hook paid: its data\.number is marked Secret"):
        hook("paid", Card)


async def test_a_wait_takes_no_secret(scope: Scope):
    @workflow("wait-for-card", version=1)
    async def wait_for_card(data: None) -> None:
        await wait_for("card", Card)

    with pytest.raises(ConfigurationError, match=r"wait_for 'card': its value\.number is marked Secret"):
        await wait_for_card.run(scope, None)
