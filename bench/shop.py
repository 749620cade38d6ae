"""A shop to measure in: staff who can work around the clock, so that free slots do not run out; bookings in bulk."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import msgspec
import psycopg
from msgspec.structs import asdict

from core.app import Application
from modules.booking import BookingService, CreateAvailabilityRule, CreateService, CreateStaff
from workflows.booking import HoldBookingSlot

MINUTES = 30
STEP = timedelta(minutes=MINUTES)
FIRST_DAY = 2
"""Days from today on; nothing before it is touched by the clock during a run."""
MONTH = 30
MONTH_BOOKINGS_PER_STAFF = 180
PER_DAY = 48

# In the order of time, so that the claims of each staff member lie as scattered as they do in a shop's life. The
# triggers sleep meanwhile: the statement makes the claims that they would demand.
FILL: LiteralString = """
WITH staff AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS number FROM booking_staff),
made AS (
    INSERT INTO booking (id, staff_id, service_id, start_at, end_at, claimed_until, first_start_at, status,
        service_name, price_amount, currency_code, customer_email, customer_name, confirmed_at, created_at, updated_at)
    SELECT 'book_' || %(name)s || lpad(n::text, 20, '0'), staff.id, service.id, at, at + interval '30 minutes',
        at + interval '30 minutes', at, 'confirmed', service.name, 2500, 'usd', 'customer' || n || '@example.com',
        'Customer ' || n, now(), now(), now()
    FROM generate_series(%(first)s::integer, %(first)s + %(count)s - 1) n
    JOIN staff ON staff.place = n %% staff.number,
    LATERAL (SELECT %(from)s::timestamptz
        + (n / staff.number * %(stride)s + staff.place %% %(stride)s) * %(step)s::interval AS at) slot,
    booking_service service
    RETURNING id, staff_id, start_at)
INSERT INTO slot_claim (resource_id, q, booking_id)
SELECT staff_id, extract(epoch FROM start_at)::integer / 900 + part, id
FROM made, generate_series(0, 1) part"""


class Shop(msgspec.Struct, frozen=True):
    """What `open_shop` made."""

    service_id: str
    staff_ids: list[str]
    midnight: datetime
    """Of the first day on which holds are made."""

    def starts(self) -> Iterator[tuple[str, datetime]]:
        """Yield free slots: staff member and start, no two the same."""
        for number in range(100_000):
            for staff_id in self.staff_ids:
                yield staff_id, self.midnight + timedelta(minutes=MINUTES * number)

    def wanted(self, start: tuple[str, datetime]) -> HoldBookingSlot:
        """Return what is held there."""
        staff_id, start_at = start
        return HoldBookingSlot(
            service_id=self.service_id,
            staff_id=staff_id,
            start_at=start_at,
            customer_email="jane@example.com",
            customer_name="Jane Doe",
        )

    def hold_bodies(self) -> Iterator[bytes]:
        """Yield bodies of `POST /store/bookings`, each for another free slot."""
        for start in self.starts():
            wanted = asdict(self.wanted(start))
            yield msgspec.json.encode({name: value for name, value in wanted.items() if value is not None})


async def open_shop(application: Application, staff: int, *, opens: str = "00:00", closes: str = "24:00") -> Shop:
    """Make one service of half an hour and some staff, who work every day."""
    async with application.scope() as scope, scope.transaction():
        booking = scope.resolve(BookingService)
        [service] = await booking.services.create([CreateService(name="Haircut", price=2500, duration_minutes=MINUTES)])
        people = await booking.staff.create([CreateStaff(name=f"Staff {n}", timezone="UTC") for n in range(staff)])
        await booking.availability_rules.create(
            [
                CreateAvailabilityRule(staff_id=person.id, day_of_week=day, start_time=opens, end_time=closes)
                for person in people
                for day in range(7)
            ]
        )
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=FIRST_DAY)
    return Shop(service.id, [person.id for person in people], midnight)


def fill_month(url: str, shop: Shop) -> int:
    """Book a part of the month to come, spread over all of it; return how many bookings that makes."""
    count = MONTH_BOOKINGS_PER_STAFF * len(shop.staff_ids)
    stride = MONTH * PER_DAY // MONTH_BOOKINGS_PER_STAFF
    _fill(url, {"name": "next", "count": count, "first": 0, "from": shop.midnight, "stride": stride, "step": STEP})
    return count


def fill_past(url: str, shop: Shop, count: int, *, first: int = 0) -> None:
    """Book the past without a gap, from a week ago backwards; `first` is how many bookings of it there are."""
    start = shop.midnight - timedelta(days=FIRST_DAY + 7)
    _fill(url, {"name": "past", "count": count, "first": first, "from": start, "stride": 1, "step": -STEP})


def _fill(url: str, values: dict[str, Any]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute(FILL, values)
        connection.execute("VACUUM ANALYZE")
