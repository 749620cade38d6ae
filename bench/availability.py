"""`availability`: one staff member's day and the month of all 50, with 10 thousand bookings and with a million."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from itertools import repeat
from urllib.parse import urlencode

from msgspec import Struct

from core.testing import ServerProcess
from modules.booking import SlotQuery

from .bare import Recorded
from .buffers import availability_statements, shared_buffers
from .client import get, load
from .figures import Figure, compare, in_turn, say
from .ground import Ground, bare_api
from .recording import Statement
from .shop import MINUTES, MONTH, Shop, fill_month, fill_past, open_shop

STAFF = 50
FEW, MANY = 10_000, 1_000_000
CONNECTIONS = 16
SECONDS = 1.0


class Site(Struct, frozen=True):
    """A shop with some bookings, and its server."""

    url: str
    shop: Shop
    api: ServerProcess
    statements: dict[str, list[Statement]]
    buffers: dict[str, int]

    def load(self, name: str, connections: int) -> Callable[[], Awaitable[float]]:
        """Return how to measure the shop: requests a second, or for one connection the milliseconds of each."""
        path = f"/store/bookings/availability?{urlencode(parameters(self.shop)[name])}"
        return partial(_measure, self.api.port, path, connections)


def parameters(shop: Shop) -> dict[str, dict[str, str]]:
    """Return what is asked."""
    common = {"service_id": shop.service_id, "date": shop.midnight.date().isoformat()}
    return {
        "availability_day": {**common, "staff_id": shop.staff_ids[0]},
        "availability_month_50_staff": {**common, "days": str(MONTH)},
    }


def queries(shop: Shop) -> dict[str, SlotQuery]:
    """Return the same for the service."""
    day = SlotQuery(service_id=shop.service_id, staff_id=shop.staff_ids[0], date=shop.midnight.date(), days=1)
    month = SlotQuery(service_id=shop.service_id, date=shop.midnight.date(), days=MONTH)
    return {"availability_day": day, "availability_month_50_staff": month}


async def availability(ground: Ground) -> AsyncGenerator[Figure]:
    """Ask for a day and for a month over HTTP."""
    with ExitStack() as stack:
        few, many = [await _open(ground, stack, count) for count in (FEW, MANY)]
        recorded = Recorded(hold=[], availability=many.statements, minutes=MINUTES)
        bare = stack.enter_context(bare_api(many.url, ground.config, recorded))
        for name in parameters(many.shop):
            floor = partial(_measure, bare.port, f"/availability/{name}", CONNECTIONS)
            measures = {
                "many": many.load(name, CONNECTIONS),
                "with_10_thousand": few.load(name, CONNECTIONS),
                "bare_route": floor,
            }
            found = await in_turn(measures)
            times = await in_turn({"many": many.load(name, 1), "with_10_thousand": few.load(name, 1)})
            buffers = {"with_10_thousand": float(few.buffers[name])}
            for figure in (
                *compare(name, "1/s", found.pop("many"), found),
                *compare(f"{name}_time", "ms", times.pop("many"), times),
                *compare(f"{name}_buffers", "pages", many.buffers[name], buffers),
            ):
                yield figure


async def _open(ground: Ground, stack: ExitStack, count: int) -> Site:
    """Make a shop with that many bookings, of which the month to come has the same ones each time."""
    began = time.perf_counter()
    url = stack.enter_context(ground.database()).url
    application = ground.application(url)
    async with application.running():
        shop = await open_shop(application, STAFF, opens="09:00", closes="17:00")
    fill_past(url, shop, count - fill_month(url, shop))
    say(f"  {count} bookings made in {time.perf_counter() - began:.0f} s")
    statements = {
        name: await availability_statements(ground.application(url), query) for name, query in queries(shop).items()
    }
    buffers = {name: shared_buffers(url, found) for name, found in statements.items()}
    return Site(url, shop, stack.enter_context(ground.api(url)), statements, buffers)


async def _measure(port: int, path: str, connections: int) -> float:
    found = await load(port, repeat(get(path)), connections=connections, seconds=SECONDS)
    return found.milliseconds if connections == 1 else found.rate
