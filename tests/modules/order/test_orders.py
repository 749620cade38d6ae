"""Orders: written with their items, whose sum is the total."""

from typing import LiteralString

import msgspec
import psycopg
import pytest
from msgspec import UNSET

from core.container import Scope
from core.errors import InvalidData, NoTransaction
from modules.order import CreateOrder, CreateOrderItem, Order, OrderService, OrderStatus, order

OIL = CreateOrderItem(title="Beard oil", unit_price=900, quantity=2)
HAIRCUT = CreateOrderItem(title="Haircut", unit_price=2500)
[TOTALS] = order.checks


@pytest.fixture
def orders(scope: Scope) -> OrderService:
    return scope.resolve(OrderService)


async def create(scope: Scope, *data: CreateOrder) -> list[Order]:
    async with scope.transaction():
        return await scope.resolve(OrderService).create_orders(data)


def wanted(*items: CreateOrderItem) -> CreateOrder:
    return CreateOrder(currency_code="eur", email="ann@example.com", items=list(items))


def lines(order: Order) -> list[tuple[str, int]]:
    return [] if order.items is UNSET else [(item.title, item.total) for item in order.items]


async def test_an_order_costs_what_its_items_cost(scope: Scope, orders: OrderService) -> None:
    [made] = await create(scope, wanted(HAIRCUT, OIL))
    assert made.id.startswith("order_")
    assert (made.total, made.currency_code, made.email) == (4300, "eur", "ann@example.com")
    assert made.status is OrderStatus.PENDING
    assert lines(made) == [("Haircut", 2500), ("Beard oil", 1800)]
    found = await orders.orders.retrieve(made.id, relations=["items"])
    assert sorted(lines(found)) == sorted(lines(made))
    assert msgspec.structs.replace(found, items=UNSET) == msgspec.structs.replace(made, items=UNSET)


async def test_several_orders_at_once_keep_their_own_items_and_numbers(scope: Scope, orders: OrderService) -> None:
    first, second = await create(scope, wanted(OIL), wanted(HAIRCUT, HAIRCUT))
    assert [lines(first), lines(second)] == [[("Beard oil", 1800)], [("Haircut", 2500)] * 2]
    assert second.display_id == first.display_id + 1
    assert [item.order_id for item in await orders.items.list({"title": "Beard oil"})] == [first.id]
    assert await create(scope) == []


async def test_an_item_may_be_free_but_an_order_is_not_empty(scope: Scope) -> None:
    [gift] = await create(scope, wanted(CreateOrderItem(title="Gift", unit_price=0)))
    assert gift.total == 0
    with pytest.raises(InvalidData, match="items"):
        await create(scope, wanted())


@pytest.mark.parametrize(
    ("field", "data"),
    [
        ("quantity", wanted(CreateOrderItem(title="x", unit_price=1, quantity=0))),
        ("quantity", wanted(CreateOrderItem(title="x", unit_price=1, quantity=10**7))),
        ("quantity", wanted(CreateOrderItem(title="x", unit_price=1, quantity="2"))),  # pyright: ignore[reportArgumentType]
        ("unit_price", wanted(HAIRCUT, CreateOrderItem(title="x", unit_price=-1))),
        ("unit_price", wanted(CreateOrderItem(title="x", unit_price=10**13))),
        ("unit_price", wanted(CreateOrderItem(title="x", unit_price=0.5))),  # pyright: ignore[reportArgumentType]
        ("title", wanted(CreateOrderItem(title=" ", unit_price=1))),
        ("title", wanted(CreateOrderItem(title="\0x", unit_price=1))),
        ("total", wanted(*[CreateOrderItem(title="x", unit_price=10**12, quantity=10**6)] * 10)),
        ("currency", CreateOrder(currency_code="EUR", items=[OIL])),
        ("currency", CreateOrder(currency_code="zzz", items=[OIL])),
        ("status", CreateOrder(currency_code="eur", items=[OIL], status="lost")),  # pyright: ignore[reportArgumentType]
    ],
)
async def test_what_cannot_be_sold_is_refused_and_nothing_is_written(
    scope: Scope, orders: OrderService, field: str, data: CreateOrder
) -> None:
    with pytest.raises(InvalidData, match=field):
        await create(scope, wanted(OIL), data)
    assert await orders.orders.list() == []
    assert await orders.items.list() == []


async def test_orders_need_a_transaction(orders: OrderService) -> None:
    with pytest.raises(NoTransaction):
        await orders.create_orders([wanted(OIL)])


@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        ("UPDATE order_item SET total = 1", psycopg.errors.GeneratedAlways),
        ("UPDATE order_item SET quantity = 0", psycopg.errors.CheckViolation),
        ("UPDATE order_item SET unit_price = -1", psycopg.errors.CheckViolation),
        ('UPDATE "order" SET total = -1', psycopg.errors.CheckViolation),
        ("""UPDATE "order" SET status = 'lost'""", psycopg.errors.CheckViolation),
        ('UPDATE "order" SET display_id = 1', psycopg.errors.GeneratedAlways),
    ],
)
async def test_postgresql_refuses_what_makes_no_sense(
    scope: Scope, statement: LiteralString, refused: type[Exception]
) -> None:
    await create(scope, wanted(HAIRCUT))
    with pytest.raises(refused):
        async with scope.transaction() as transaction:
            await transaction.sql(statement)


async def test_the_integrity_check_finds_a_total_that_is_not_the_sum(scope: Scope) -> None:
    first, second = await create(scope, wanted(OIL), wanted(HAIRCUT, OIL))
    assert await order.checks[TOTALS](scope) == []
    async with scope.transaction() as transaction:
        await transaction.sql("UPDATE order_item SET quantity = 3 WHERE unit_price = 2500")
    assert await order.checks[TOTALS](scope) == [f"order {second.id} has the total 4300, its items 9300"]
    async with scope.transaction() as transaction:
        await transaction.sql("DELETE FROM order_item")
    assert set(await order.checks[TOTALS](scope)) == {
        f"order {first.id} has the total 1800, its items 0",
        f"order {second.id} has the total 4300, its items 0",
    }


async def test_items_go_with_an_order_that_is_deleted_for_good(scope: Scope, orders: OrderService) -> None:
    _, kept = await create(scope, wanted(OIL), wanted(HAIRCUT))
    async with scope.transaction() as transaction:
        await transaction.sql('DELETE FROM "order" WHERE total = 1800')
    assert [item.order_id for item in await orders.items.list()] == [kept.id]
