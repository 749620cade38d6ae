"""The expiry job sweeps what has run out, in batches, and tells of each hold once."""

import asyncio
from datetime import timedelta
from typing import Any, LiteralString

import msgspec

from core.app import Application
from core.container import Scope
from core.job import Jobs
from core.scheduler import Scheduler
from core.testing import move_clock
from core.workflow import Events, Runs
from jobs.expire_held_bookings import BATCH, expire_due_holds
from modules.booking import BookingEvent, BookingService, BookingStatus
from tests.modules.booking.shop import HOLD_IS_OVER, Shop, at, claims_of, confirmed, hold

EXPIRED: LiteralString = """
INSERT INTO booking (id, staff_id, service_id, start_at, end_at, claimed_until, first_start_at, status, hold_expires_at,
    service_name, price_amount, currency_code, created_at, updated_at)
SELECT 'book_' || lpad(n::text, 26, '0'), %(staff_id)s, %(service_id)s, at, at + interval '30 minutes',
    at + interval '30 minutes', at, 'held', %(now)s - interval '1 minute', 'Haircut', 2500, 'usd', %(now)s, %(now)s
FROM generate_series(1, %(count)s) AS n, LATERAL (SELECT %(start_at)s + n * interval '30 minutes' AS at) AS slot
RETURNING id"""


async def run_job(scope: Scope) -> str:
    run = await scope.resolve(Jobs).run("expire-held-bookings")
    await run.result()
    return run.id


async def told(scope: Scope) -> list[str]:
    events = await scope.resolve(Events).list(name="booking.expired", take=1000)
    return [msgspec.json.decode(event.data, type=BookingEvent).booking_id for event in events]


async def test_what_has_run_out_is_swept_and_told_once(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService
):
    expired = await hold(scope, shop, at(10))
    await move_clock(application, HOLD_IS_OVER)
    live = await hold(scope, shop, at(12))
    await run_job(scope)
    await run_job(scope)

    swept = await bookings.find_booking(expired.id)
    assert swept is not None
    assert (swept.status, swept.deleted_at is not None) == (BookingStatus.EXPIRED, True)
    assert await claims_of(scope, expired.id) == 0
    assert await claims_of(scope, live.id) == 2
    assert await told(scope) == [expired.id]
    [event] = await scope.resolve(Events).list(name="booking.expired")
    assert msgspec.json.decode(event.data, type=BookingEvent) == BookingEvent.of(swept)


async def test_a_batch_is_a_step_of_its_own(scope: Scope, shop: Shop):
    count = BATCH + 3
    values = {"staff_id": shop.ann.id, "service_id": shop.haircut.id, "now": scope.clock.now()}
    await scope.session.sql(EXPIRED, values | {"count": count, "start_at": at(10)})
    run = await scope.resolve(Runs).retrieve(await run_job(scope))
    assert [(entry.step, bytes(entry.value), entry.events) for entry in run.entries] == [
        (expire_due_holds.id, str(size).encode(), []) for size in (BATCH, 3)
    ]
    assert await scope.session.sql("SELECT status, count(*) FROM booking GROUP BY status") == [("expired", count)]
    assert await scope.session.sql("SELECT count(*) FROM outbox") == [(count,)]


async def test_runs_every_five_minutes(application: Application, scope: Scope, shop: Shop):
    made = await hold(scope, shop, at(10))
    scheduler = Scheduler(application.container)
    await scheduler.look()
    await move_clock(application, timedelta(minutes=15))
    started = await scheduler.look()
    runs: dict[str, Any] = {run.id: run for run in await scope.resolve(Runs).list(workflow="expire-held-bookings")}
    [run] = [runs[id] for id in started if id in runs]
    assert run.key is not None
    assert run.key[14:16] in {f"{minute:02}" for minute in range(0, 60, 5)}
    async with asyncio.timeout(10):
        while await told(scope) != [made.id]:  # noqa: ASYNC110, rows
            await asyncio.sleep(0.01)


async def test_nobody_is_told_of_a_hold_that_was_confirmed_in_time(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService
):
    made = await confirmed(scope, shop, at(10))
    await move_clock(application, HOLD_IS_OVER)
    await run_job(scope)
    assert await told(scope) == []
    assert (await bookings.get_booking(made.id)).status is BookingStatus.CONFIRMED
