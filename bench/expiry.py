"""`expire_100000`: the job that sweeps expired holds, in time beside its statements alone, and in memory."""

import asyncio
import resource
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import perf_counter
from typing import LiteralString

import psycopg

from core.app import Application
from core.config import Config
from core.job import Tick
from jobs.expire_held_bookings import BATCH, expire_held_bookings

from .figures import Figure, compare, say
from .ground import Ground
from .shop import open_shop

HOLDS = 100_000
FEW = 5_000
STAFF = 50
FRESH = get_context("spawn")
PATIENCE = timedelta(minutes=10)

# The triggers sleep meanwhile: the statement makes the claims that they would demand.
FILL: LiteralString = """
WITH staff AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM booking_staff),
made AS (
    INSERT INTO booking (id, staff_id, service_id, start_at, end_at, claimed_until, first_start_at, status,
        service_name, price_amount, currency_code, customer_email, customer_name, hold_expires_at,
        created_at, updated_at)
    SELECT 'book_held' || lpad(n::text, 20, '0'), staff.id, service.id, at, at + interval '30 minutes',
        at + interval '30 minutes', at, 'held', service.name, 2500, 'usd', 'customer' || n || '@example.com',
        'Customer ' || n, now() - interval '1 hour', now(), now()
    FROM generate_series(1, %(count)s) n JOIN staff ON staff.place = n %% %(staff)s,
    LATERAL (SELECT date_trunc('day', now()) + n / %(staff)s * interval '30 minutes' AS at) slot,
    booking_service service
    RETURNING id, staff_id, start_at, hold_expires_at)
INSERT INTO slot_claim (resource_id, q, booking_id, expires_at)
SELECT staff_id, extract(epoch FROM start_at)::integer / 900 + part, id, hold_expires_at
FROM made, generate_series(0, 1) part"""
SWEEP: LiteralString = """
WITH due AS (SELECT id FROM booking WHERE status = 'held' AND deleted_at IS NULL AND hold_expires_at <= now()
    ORDER BY hold_expires_at LIMIT %s FOR UPDATE SKIP LOCKED)
UPDATE booking SET status = 'expired', deleted_at = now(), updated_at = now() FROM due WHERE booking.id = due.id
RETURNING booking.id"""
RELEASE: LiteralString = "DELETE FROM slot_claim WHERE booking_id = ANY(%s)"
LEFT: LiteralString = """
SELECT count(*) FILTER (WHERE status = 'held'), (SELECT count(*) FROM slot_claim),
    (SELECT count(*) FROM outbox WHERE name = 'booking.expired')
FROM booking"""


async def expire_100000(ground: Ground) -> AsyncGenerator[Figure]:
    """Sweep a hundred thousand, and a few."""
    with ground.database() as database:
        async for figure in sweep(ground.config_at(database.url), HOLDS, FEW):
            yield figure


async def sweep(config: Config, many: int, few: int) -> AsyncGenerator[Figure]:
    """Measure on an empty database of the shop."""
    application = Application.load(config)
    async with application.running(sweeping=False):
        await open_shop(application, STAFF)
    with psycopg.connect(config.database.url, autocommit=True) as connection:
        _, small = _by_job(connection, config, few)
        seconds, large = _by_job(connection, config, many)
        bare = _bare(connection, many)
    say(f"  {many} holds: {seconds:.1f} s and {large:.0f} MB; {few}: {small:.0f} MB; statements alone: {bare:.1f} s")
    for figure in (
        *compare(f"expire_{many}", "s", seconds, {"statements_alone": bare}),
        *compare(f"expire_{many}_memory", "MB", large, {f"expire_{few}_memory": small}),
    ):
        yield figure


def _by_job(connection: psycopg.Connection, config: Config, count: int) -> tuple[float, float]:
    """Return the seconds that the job takes in a process of its own, and that process's most megabytes."""
    _fill(connection, count)
    told, tell = FRESH.Pipe(duplex=False)
    process = FRESH.Process(target=_work, args=(config, tell), daemon=True)
    process.start()
    tell.close()  # else its end would never be seen here
    found: tuple[float, float] = told.recv()
    process.join()
    if connection.execute(LEFT).fetchone() != (0, 0, count):
        raise RuntimeError("there are holds or claims left, or not each hold was told of")
    return found


def _work(config: Config, parent: Connection) -> None:
    parent.send(asyncio.run(_run(config)))


async def _run(config: Config) -> tuple[float, float]:
    application = Application.load(config)
    async with application.running(sweeping=False), application.scope() as scope:
        began = perf_counter()
        await expire_held_bookings.run(scope, Tick(scheduled_at=datetime.now(UTC)), wait=PATIENCE)
        return perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _bare(connection: psycopg.Connection, count: int) -> float:
    """Return the seconds that two statements a batch take."""
    _fill(connection, count)
    began = perf_counter()
    swept = BATCH
    while swept == BATCH:
        with connection.transaction():
            ids = [id for (id,) in connection.execute(SWEEP, [BATCH])]
            connection.execute(RELEASE, [ids])
        swept = len(ids)
    return perf_counter() - began


def _fill(connection: psycopg.Connection, count: int) -> None:
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("TRUNCATE booking, slot_claim, outbox CASCADE")
        connection.execute(FILL, {"count": count, "staff": STAFF})
    connection.execute("VACUUM ANALYZE")
