"""`hold_http_c16`: holds a second over HTTP. `hold_statements`: what one hold asks of PostgreSQL."""

import re
from collections.abc import AsyncGenerator, Iterator
from itertools import repeat
from typing import LiteralString

from core.app import Application
from workflows.booking import hold_booking_slot

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
LOGGED = re.compile(r"LOG:  (?:statement|execute [^:]+): \s*(\w+)")
LOG: LiteralString = """
DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I SET log_statement = %%L', current_database(), 'all'); END $$"""


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
                return (await _load(bare.port, repeat(get(path)), expect=200)).rate

            measures = {
                "hold": lambda: holding(api.port, "/store/bookings"),
                "bare_route": lambda: holding(bare.port, "/hold"),
                "select_1_route": lambda: asking("/select-1"),
                "nothing_route": lambda: asking("/nothing"),
            }
            for measure in list(measures.values())[:2]:
                await measure()  # connections, prepared statements
            found = await in_turn(measures)
    for figure in compare("hold_http_c16", "1/s", found.pop("hold"), found):
        yield figure


async def hold_statements(ground: Ground) -> AsyncGenerator[Figure]:
    """Count, in PostgreSQL's own log, the statements and commits of a hold; the floor is one bare transaction."""
    with ground.database() as database:
        application = ground.application(database.url)
        async with application.running(), application.scope() as scope:
            shop = await open_shop(application, STAFF)
            wanted = map(shop.wanted, shop.starts())
            async with scope.transaction() as transaction:
                await transaction.sql(LOG)
            await application.database.dispose()  # who connects from now on is logged
            for _ in range(COUNTED):
                await hold_booking_slot.run(scope, next(wanted))
            begin = ground.log_path.stat().st_size
            for _ in range(COUNTED):
                await hold_booking_slot.run(scope, next(wanted))
            words = LOGGED.findall(ground.log_path.read_bytes()[begin:].decode())
    counts = {"hold_statements": (len(words), 4.0), "hold_commits": (words.count("COMMIT"), 1.0)}
    for bench, (count, floor) in counts.items():
        for figure in compare(bench, "1", count / COUNTED, {"begin_hold_journal_commit": floor}):
            yield figure


async def _record(application: Application) -> tuple[Shop, list[Statement]]:
    """Make one hold and return what it sent, with what is new in each hold marked."""
    recorder = Recorder(application)
    async with application.running(), application.scope() as scope:
        shop = await open_shop(application, STAFF)
        recorder.listening = True
        booking = await hold_booking_slot.run(scope, shop.wanted(next(shop.starts())))
        recorder.listening = False
    recorder.find("INSERT INTO booking (")
    first = int(booking.start_at.timestamp()) // 900
    names = {
        booking.id: "booking_id",
        recorder.find("INSERT INTO workflow_run").params["id"]: "run_id",
        booking.staff_id: "staff_id",
        booking.start_at: "start_at",
        booking.end_at: "end_at",
        first: "first",
        first + MINUTES // 15: "stop",
    }
    for statement in recorder.statements:
        statement.mark(names)
    return shop, recorder.statements


async def _load(port: int, requests: Iterator[bytes], *, expect: int) -> Load:
    return await load(port, requests, connections=CONNECTIONS, seconds=SECONDS, expect=expect)
