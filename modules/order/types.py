"""The contract of the order module: what other code sees of its records.

Money is an integer of minor units beside the order's lower-case currency code.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

Metadata = dict[str, Any]
Text = Annotated[str, Meta(pattern=r"\S")]
Quantity = Annotated[int, Meta(ge=1, le=10**6)]
UnitPrice = Annotated[int, Meta(ge=0, le=10**12)]


class OrderStatus(StrEnum):
    """Where an order stands."""

    PENDING = "pending"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class OrderItem(Struct, frozen=True, kw_only=True):
    """One line of an order; `total` is `quantity` times `unit_price`."""

    id: str
    order_id: str
    title: str
    quantity: int
    unit_price: int
    total: int
    metadata: Metadata | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class Order(Struct, frozen=True, kw_only=True):
    """What somebody bought; `display_id` is its number for people, `total` the sum of its items."""

    id: str
    display_id: int
    status: OrderStatus
    currency_code: str
    email: str | None
    total: int
    metadata: Metadata | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    items: list[OrderItem] | UnsetType = UNSET


class CreateOrderItem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of a new order."""

    title: Text
    unit_price: UnitPrice
    quantity: Quantity = 1
    metadata: Metadata | None = None


class CreateOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new order with at least one item."""

    currency_code: str
    items: Annotated[list[CreateOrderItem], Meta(min_length=1)]
    email: str | None = None
    status: OrderStatus = OrderStatus.PENDING
    metadata: Metadata | None = None
