"""The cost of a read, in pages and not in milliseconds: years of bookings do not make availability dearer."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from msgspec import Struct
from sqlalchemy import Table

from bench.buffers import availability_statements, shared_buffers
from bench.shop import fill_month, fill_past, open_shop
from core.app import Application
from core.config import Config
from core.db.branch import Branch
from core.testing import DatabaseServer, config_on
from modules.booking import SlotQuery

DAY, MONTH_OF_ONE, MONTH_OF_ALL = "availability_day", "availability_month", "availability_month_50_staff"
STAFF = 50
FEW, MANY = 1_000, 90_000
"""Bookings of the past; the month to come has 9 000 more."""
MOST_PAGES_OF_A_STAFF_MONTH = 350


class Cost(Struct, frozen=True):
    """Shared buffers by what was asked, with few and with many bookings of the past."""

    few: dict[str, int]
    many: dict[str, int]

    def growth(self, name: str) -> float:
        """Return how many times dearer the many make it."""
        return self.many[name] / self.few[name]


@pytest.fixture(scope="module")
async def cost(
    database_server: DatabaseServer, shop_branches: list[Branch], shop_links: Sequence[Table[Any]], shop_config: Config
) -> AsyncGenerator[Cost]:
    """What availability costs before and after a shop has become old."""
    database = database_server.create(shop_branches, shop_links)
    config = config_on(database.url, shop_config)
    application = Application.load(config)
    async with application.running():
        shop = await open_shop(application, STAFF, opens="09:00", closes="17:00")
    one, day = shop.staff_ids[0], shop.midnight.date()
    asked = {
        DAY: SlotQuery(service_id=shop.service_id, staff_id=one, date=day, days=1),
        MONTH_OF_ONE: SlotQuery(service_id=shop.service_id, staff_id=one, date=day, days=30),
        MONTH_OF_ALL: SlotQuery(service_id=shop.service_id, date=day, days=30),
    }
    statements = {name: await availability_statements(Application.load(config), query) for name, query in asked.items()}

    def pages() -> dict[str, int]:
        return {name: shared_buffers(database.url, found) for name, found in statements.items()}

    fill_past(database.url, shop, FEW)
    fill_month(database.url, shop)
    few = pages()
    fill_past(database.url, shop, MANY, first=FEW)
    yield Cost(few, pages())
    database.drop()


async def test_a_day_costs_the_same_in_an_old_shop(cost: Cost):
    assert cost.growth(DAY) <= 1.2


async def test_case_36_a_month_of_one_staff_member_takes_few_pages(cost: Cost):
    assert cost.many[MONTH_OF_ONE] <= MOST_PAGES_OF_A_STAFF_MONTH


async def test_case_37_the_same_month_costs_the_same_with_many_old_bookings(cost: Cost):
    assert cost.growth(MONTH_OF_ONE) <= 1.2


async def test_case_38_a_month_of_50_staff_costs_50_times_one_with_many_old_bookings(cost: Cost):
    assert cost.growth(MONTH_OF_ALL) <= 1.2
    assert cost.many[MONTH_OF_ALL] <= STAFF * cost.many[MONTH_OF_ONE]
