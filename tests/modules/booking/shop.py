"""A small shop for tests: two barbers who work 09:00-17:00 UTC every day, and a haircut of 30 minutes."""

from datetime import UTC, datetime, timedelta

from msgspec import Struct

from core.container import Scope
from modules.booking import (
    Booking,
    BookingService,
    CreateAvailabilityRule,
    CreateBooking,
    CreateService,
    CreateStaff,
    PaymentMode,
    Service,
    Staff,
)

EVERY_DAY = range(7)
HOLD_IS_OVER = timedelta(minutes=10, seconds=1)


class Shop(Struct, frozen=True):
    """What `open_shop` made."""

    haircut: Service
    ann: Staff
    bob: Staff


async def open_shop(scope: Scope) -> Shop:
    """Make the shop."""
    booking = scope.resolve(BookingService)
    async with scope.transaction():
        [haircut] = await booking.services.create([CreateService(name="Haircut", price=2500, duration_minutes=30)])
        ann, bob = await booking.staff.create(
            [CreateStaff(name="Ann", timezone="UTC"), CreateStaff(name="Bob", timezone="UTC")]
        )
        for staff in (ann, bob):
            await add_hours(scope, staff.id)
    return Shop(haircut, ann, bob)


async def add_hours(scope: Scope, staff_id: str, start: str = "09:00", end: str = "17:00") -> None:
    """Let a staff member work these hours every day."""
    booking = scope.resolve(BookingService)
    async with scope.transaction():
        await booking.availability_rules.create(
            [
                CreateAvailabilityRule(staff_id=staff_id, day_of_week=day, start_time=start, end_time=end)
                for day in EVERY_DAY
            ]
        )


def at(hour: int, minute: int = 0, *, days: int = 1) -> datetime:
    """Return a time of day, by default tomorrow's, in UTC."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=days, hours=hour, minutes=minute)


async def hold(scope: Scope, shop: Shop, start_at: datetime, staff: Staff | None = None) -> Booking:
    """Hold a haircut, by default with Ann, past the rules of the offer."""
    async with scope.transaction():
        [booking] = await scope.resolve(BookingService).create_bookings(
            [
                CreateBooking(
                    staff_id=(staff or shop.ann).id,
                    service_id=shop.haircut.id,
                    start_at=start_at,
                    customer_email="ann@example.com",
                )
            ]
        )
    return booking


async def confirmed(scope: Scope, shop: Shop, start_at: datetime, staff: Staff | None = None) -> Booking:
    """Hold a haircut and confirm it."""
    booking = await hold(scope, shop, start_at, staff)
    async with scope.transaction():
        return await scope.resolve(BookingService).confirm(booking.id, PaymentMode.PAY_IN_STORE)


async def claims_of(scope: Scope, booking_id: str) -> int:
    """Return how many quarter hours a booking owns."""
    rows = await scope.session.sql("SELECT count(*) FROM slot_claim WHERE booking_id = %s", [booking_id])
    return rows[0][0]
