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


class OrderService(Service):
    """Orders and their items: read as one likes, written together."""

    orders = ORDER.reader()
    items = ORDER_ITEM.reader()
    _new_orders = Repository(ORDER, OrderRow, NoWrites)
    _new_items = Repository(ORDER_ITEM, OrderItemRow, NoWrites)

    async def create_orders(self, data: Sequence[CreateOrder]) -> list[Order]:
        """Write orders and return them with their items, in the order of `data`; raise `InvalidData`."""
        wanted = _checked(data)
        made = await self._new_orders.create([_order_row(one) for one in wanted])
        pairs = zip(made, wanted, strict=True)
        items = iter(await self._new_items.create([row for order, one in pairs for row in _item_rows(order.id, one)]))
        return [
            msgspec.structs.replace(order, items=[next(items) for _ in one.items])
            for order, one in zip(made, wanted, strict=True)
        ]


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
