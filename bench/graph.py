"""`graph`: 100 bookings with staff, customer, order and items; a filter over a link; pages of few and of many rows."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import Any

import psycopg
from msgspec import Struct

from core.query import Query
from modules.booking import BOOKING

from .by_hand import five_statements, one_statement
from .figures import Figure, compare, in_turn, say
from .ground import Ground
from .linked import fill_links
from .shop import fill_month, fill_past, open_shop

STAFF = 50
FEW, MANY = 10_000, 1_000_000
ORDERS = 1_000
TAKE = 100
SECONDS, ROUNDS = 0.2, 25
FIELDS = ["*", "staff.*", "customer.*", "order.*", "order.items.*"]
PAGE: dict[str, Any] = {"fields": ["id", "start_at", "staff.name", "customer.email"], "take": 20}

Call = Callable[[], Awaitable[object]]


class Site(Struct, frozen=True):
    """A shop with some bookings, and a connection past everything."""

    query: Query
    raw: psycopg.AsyncConnection[Any]
    booking_id: str
    filters: dict[str, Any]
    """What holds for the bookings of one customer, over a link."""


async def graph(ground: Ground) -> AsyncGenerator[Figure]:
    """Ask for graphs in this process."""
    with ExitStack() as databases:
        async with AsyncExitStack() as stack:
            few, many = [await _open(ground, databases, stack, count) for count in (FEW, MANY)]
            for found in (await _wide(many), await _linked(many), await _pages(few, many)):
                for figure in found:
                    yield figure


async def _open(ground: Ground, databases: ExitStack, stack: AsyncExitStack, count: int) -> Site:
    began = time.perf_counter()
    url = databases.enter_context(ground.database()).url
    application = await stack.enter_async_context(ground.application(url).running())
    shop = await open_shop(application, STAFF, opens="09:00", closes="17:00")
    fill_past(url, shop, count - fill_month(url, shop))
    fill_links(url, ORDERS)
    say(f"  {count} bookings made in {time.perf_counter() - began:.0f} s")
    scope = await stack.enter_async_context(application.scope())
    raw = await stack.enter_async_context(await psycopg.AsyncConnection.connect(url, autocommit=True))
    row = (await scope.query.graph(BOOKING, fields=["id", "customer.email"], take=1)).data[0]
    return Site(scope.query, raw, row["id"], {"customer.email": row["customer"]["email"]})


async def _wide(site: Site) -> list[Figure]:
    """Compare 100 bookings and all that belongs to them with the same read by hand."""
    read = partial(site.query.graph_json, BOOKING, fields=FIELDS, take=TAKE)
    if await read() != await one_statement(site.raw):
        raise LookupError("the statement by hand no longer answers the same bytes")
    found = await _in_turn(
        {
            "graph": partial(site.query.graph, BOOKING, fields=FIELDS, take=TAKE),
            "graph_json": read,
            "one_statement_by_hand": partial(one_statement, site.raw),
            "five_statements_by_hand": partial(five_statements, site.raw),
        }
    )
    figures = {name: found.pop(name) for name in ("graph", "graph_json")}
    return [figure for name, value in figures.items() for figure in compare(name, "ms", value, found)]


async def _linked(site: Site) -> list[Figure]:
    """Compare a filter over a link with a look-up by key."""
    ask = partial(site.query.graph, BOOKING, fields=["id", "start_at"])
    found = await _in_turn(
        {"filter": partial(ask, filters=site.filters), "key": partial(ask, filters={"id": site.booking_id})}
    )
    return compare("graph_filter_over_a_link", "ms", found.pop("filter"), found)


async def _pages(few: Site, many: Site) -> list[Figure]:
    """Compare a page of many bookings with the same page of few."""
    figures: list[Figure] = []
    asked: dict[str, dict[str, Any]] = {
        "graph_page": {},
        "graph_page_counted": {"filters": few.filters, "count": True},
        "graph_page_of_all_counted": {"count": True},
    }
    for name, options in asked.items():
        calls = {
            "many": partial(many.query.graph, BOOKING, **PAGE, **options),
            "with_10_thousand": partial(few.query.graph, BOOKING, **PAGE, **options),
        }
        found = await _in_turn(calls)
        figures += compare(name, "ms", found.pop("many"), found)
    return figures


async def _in_turn(calls: Mapping[str, Call]) -> dict[str, float]:
    for call in calls.values():
        for _ in range(200):  # until PostgreSQL has settled on a plan and warmed up
            await call()
    return await in_turn({name: partial(_milliseconds, call) for name, call in calls.items()}, ROUNDS)


async def _milliseconds(call: Call) -> float:
    began, calls = time.perf_counter(), 0
    while time.perf_counter() < began + SECONDS:
        await call()
        calls += 1
    return 1000 * (time.perf_counter() - began) / calls
