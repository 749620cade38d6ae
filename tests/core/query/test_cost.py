"""The cost of a graph, in pages and not in milliseconds: it depends on what is answered, not on what else there is."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import pytest
from msgspec import Struct
from sqlalchemy import Table

from bench.buffers import shared_buffers
from bench.linked import BOOKINGS_PER_CUSTOMER, fill_links
from bench.recording import Statement
from bench.shop import fill_month, fill_past, open_shop
from core.app import Application
from core.config import Config
from core.db.branch import Branch
from core.query import Query
from core.testing import DatabaseServer, config_on
from modules.booking import BOOKING

FEW, MANY = 1_000, 20_000
"""Bookings of the past; the month to come has some more."""
STAFF = 5
WIDE = ["*", "staff.*", "customer.*", "order.*", "order.items.*"]
PAGE: Mapping[str, Any] = {"fields": ["id", "customer.email"], "take": 20}
KEY, LINKED, COUNTED, PAGED, LATEST = "key", "linked", "counted", "paged", "latest"


class Cost(Struct, frozen=True):
    """Shared buffers by what was asked, with few and with many bookings."""

    few: dict[str, int]
    many: dict[str, int]

    def growth(self, name: str) -> float:
        """Return how many times dearer the many make it."""
        return self.many[name] / self.few[name]


async def pages(query: Query, url: str) -> dict[str, int]:
    """Return what each question costs."""
    [row] = (await query.graph(BOOKING, fields=["id", "customer.email"], take=1)).data
    customer = {"customer.email": row["customer"]["email"]}
    asked: dict[str, Mapping[str, Any]] = {
        KEY: {"fields": ["id", "customer.email"], "filters": {"id": row["id"]}},
        LINKED: {"fields": ["id", "customer.email"], "filters": customer},
        COUNTED: {**PAGE, "filters": customer, "count": True},
        PAGED: {"fields": WIDE, "take": 100},
        LATEST: {**PAGE, "order": {"start_at": "desc"}},
    }
    found: dict[str, int] = {}
    for name, options in asked.items():
        sql, parameters, _plan = await query.explain(BOOKING, **options)
        found[name] = shared_buffers(url, [Statement(sql, parameters, in_transaction=False, places=[])])
    return found


@pytest.fixture(scope="module")
async def cost(
    database_server: DatabaseServer, shop_branches: list[Branch], shop_links: Sequence[Table[Any]], shop_config: Config
) -> AsyncGenerator[Cost]:
    """What graphs cost before and after a shop has become old."""
    database = database_server.create(shop_branches, shop_links)
    application = Application.load(config_on(database.url, shop_config))
    async with application.running(), application.scope() as scope:
        shop = await open_shop(application, STAFF, opens="09:00", closes="17:00")
        fill_month(database.url, shop)
        fill_past(database.url, shop, FEW)
        fill_links(database.url, orders=200)
        few = await pages(scope.query, database.url)
        fill_past(database.url, shop, MANY, first=FEW)
        fill_links(database.url, orders=200)
        yield Cost(few, await pages(scope.query, database.url))
    database.drop()


async def test_a_page_costs_the_same_in_an_old_shop(cost: Cost):
    assert cost.growth(PAGED) <= 1.2
    assert cost.growth(LATEST) <= 1.2


async def test_a_filter_over_a_link_costs_the_same_in_an_old_shop_counted_or_not(cost: Cost):
    assert cost.growth(LINKED) <= 1.2
    assert cost.growth(COUNTED) <= 1.2


async def test_a_filter_over_a_link_costs_for_each_row_little_more_than_a_look_up_by_key(cost: Cost):
    assert cost.many[LINKED] <= 1.5 * BOOKINGS_PER_CUSTOMER * cost.many[KEY]
