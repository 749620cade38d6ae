"""`hold_http_c16`: holds a second over HTTP. `hold_statements`: what one hold asks of PostgreSQL."""

import re
from collections.abc import AsyncGenerator, Iterator
from datetime import timedelta
from itertools import repeat

from core.app import Application
from workflows.booking import HoldBookingSlot, hold_booking_slot

from .bare import Recorded
from .client import Load, get, load, post
from .figures import Figure, compare, in_turn
from .ground import Ground, bare_api
from .recording import Recorder, Statement
from .shop import MINUTES, Shop, open_shop

CONNECTIONS = 16
SECONDS = 2.0
STAFF = 40
COUNTED = 20
LOGGED = re.compile(r"LOG:  (?:statement|execute [^:]+): (\w+)")


async def hold_http_c16(ground: Ground) -> AsyncGenerator[Figure]:
    """Hold free slots over HTTP on 16 connections, beside a bare route that runs the same statements."""
    with ground.database() as database:
        shop, statements = await _record(ground.application(database.url))
        recorded = Recorded(hold=statements, availability={}, minutes=MINUTES)
        bodies = shop.hold_bodies()
        next(bodies)  # held by the recording
        with ground.api(database.url) as api, bare_api(database.url, ground.config, recorded) as bare:

            async def holding(port: int, path: str) -> float:
                return (await _load(port, (post(path, body) for body in bodies), expect=201)).rate

            async def asking(path: str) -> float:
                return (await _load(bare, repeat(get(path)), expect=200)).rate

            measures = {
                "hold": lambda: holding(api.port, "/store/bookings"),
                "bare_route": lambda: holding(bare, "/hold"),
                "select_1_route": lambda: asking("/select-1"),
                "nothing_route": lambda: asking("/nothing"),
            }
            for measure in list(measures.values())[:2]:
                await measure()  # connections, prepared statements
            found = await in_turn(measures)
    for figure in compare("hold_http_c16", "1/s", found.pop("hold"), found):
        yield figure


async def hold_statements(ground: Ground) -> AsyncGenerator[Figure]:
    """Count, in PostgreSQL's own log, the statements and commits of a hold."""
    with ground.database() as database:
        application = ground.application(database.url)
        async with application.running():
            shop = await open_shop(application, STAFF)
            starts = shop.starts()
            wanted = [_wanted(shop, *next(starts)) for _ in range(COUNTED)]
            async with application.scope() as scope, scope.transaction() as transaction:
                await transaction.sql("SET LOCAL log_statement = 'none'")
            begin = ground.log_path.stat().st_size
            await application.database.dispose()
            async with application.scope() as scope:
                await scope.session.sql("SELECT set_config('log_statement', 'all', false)")
                for data in wanted:
                    await hold_booking_slot.run(scope, data)
        words = LOGGED.findall(ground.log_path.read_bytes()[begin:].decode())
    for bench, count, floor in (
        ("hold_statements", len(words) / COUNTED, 4.0),
        ("hold_commits", words.count("COMMIT") / COUNTED, 1.0),
    ):
        for figure in compare(bench, "1", count, {"one_transaction": floor}):
            yield figure


def _wanted(shop: Shop, staff_id: str, start_at: object) -> HoldBookingSlot:
    raise LookupError


async def _record(application: Application) -> tuple[Shop, list[Statement]]:
    """Make one hold and return what it sent, with what is new in each hold marked."""
    recorder = Recorder(application)
    async with application.running(), application.scope() as scope:
        shop = await open_shop(application, STAFF)
        staff_id, start_at = next(shop.starts())
        wanted = HoldBookingSlot(
            service_id=shop.service_id,
            staff_id=staff_id,
            start_at=start_at,
            customer_email="jane@example.com",
            customer_name="Jane Doe",
        )
        recorder.listening = True
        booking = await hold_booking_slot.run(scope, wanted)
        recorder.listening = False
    first = int(start_at.timestamp()) // 900
    names = {
        booking.id: "booking_id",
        recorder.find("INSERT INTO workflow_run").params["id"]: "run_id",
        staff_id: "staff_id",
        start_at: "start_at",
        booking.end_at: "end_at",
        first: "first",
        first + MINUTES // 15: "stop",
    }
    for statement in recorder.statements:
        statement.mark(names)
    return shop, recorder.statements


async def _load(port: int, requests: Iterator[bytes], *, expect: int) -> Load:
    return await load(port, requests, connections=CONNECTIONS, seconds=SECONDS, expect=expect)
