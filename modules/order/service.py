"""The order service: orders are written with their items, so that a total is always their sum."""

from collections.abc import Sequence

import msgspec

from core.errors import InvalidData
from core.module import Service
from core.money import check_currency
from core.repository import NoWrites, Repository

from .models import ORDER, ORDER_ITEM
from .types import CreateOrder, Metadata, Order, OrderStatus


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """A new row of an order."""

    status: OrderStatus
    currency_code: str
    email: str | None
    total: int
    metadata: Metadata | None


class OrderItemRow(msgspec.Struct, frozen=True, kw_only=True):
    """A new row of an item."""

    order_id: str
    title: str
    quantity: int
    unit_price: int
    metadata: Metadata | None


NEW_ORDERS = Repository(ORDER, OrderRow, NoWrites)
NEW_ITEMS = Repository(ORDER_ITEM, OrderItemRow, NoWrites)
"""Not attributes of the service, which would offer all writes."""


class OrderService(Service):
    """Orders and their items: read as one likes, written together."""

    orders = ORDER.reader()
    items = ORDER_ITEM.reader()

    async def create_orders(self, data: Sequence[CreateOrder]) -> list[Order]:
        """Write orders and return them with their items, in the order of `data`; raise `InvalidData`."""
        wanted = _checked(data)
        made = await NEW_ORDERS.bind(self.session, self.clock).create([_order_row(one) for one in wanted])
        pairs = list(zip(made, wanted, strict=True))
        rows = [row for order, one in pairs for row in _item_rows(order.id, one)]
        items = iter(await NEW_ITEMS.bind(self.session, self.clock).create(rows))
        return [msgspec.structs.replace(order, items=[next(items) for _ in one.items]) for order, one in pairs]


def _checked(data: Sequence[CreateOrder]) -> list[CreateOrder]:
    """Return the orders with their constraints checked, since building a Struct checks none."""
    try:
        orders = msgspec.convert(msgspec.to_builtins(data), list[CreateOrder])
    except (msgspec.ValidationError, TypeError) as error:
        raise InvalidData(f"order: {error}") from error
    for order in orders:
        check_currency(order.currency_code)
    return orders


def _order_row(order: CreateOrder) -> OrderRow:
    return OrderRow(
        status=order.status,
        currency_code=order.currency_code,
        email=order.email,
        total=sum(item.quantity * item.unit_price for item in order.items),
        metadata=order.metadata,
    )


def _item_rows(order_id: str, order: CreateOrder) -> list[OrderItemRow]:
    return [
        OrderItemRow(
            order_id=order_id,
            title=item.title,
            quantity=item.quantity,
            unit_price=item.unit_price,
            metadata=item.metadata,
        )
        for item in order.items
    ]
