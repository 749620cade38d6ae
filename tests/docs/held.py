"""What the pages take for granted: somebody who works, and a booking."""

from datetime import UTC, datetime, time, timedelta

from core import Scope
from modules.booking import (
    Booking,
    BookingService,
    CreateAvailabilityRule,
    CreateBooking,
    CreateService,
    CreateStaff,
)
from workflows.booking import HoldBookingSlot, hold_booking_slot


async def two_chairs(scope: Scope) -> tuple[CreateBooking, CreateBooking]:
    """Two bookings that could be made: at noon in two days, each with somebody else."""
    service = scope.resolve(BookingService)
    async with scope.transaction():
        [haircut] = await service.services.create([CreateService(name="Haircut", price=2500)])
        staff = await service.staff.create([CreateStaff(name="Ana"), CreateStaff(name="Bo")])
        await service.availability_rules.create(
            [
                CreateAvailabilityRule(staff_id=each.id, day_of_week=day, start_time="00:00", end_time="24:00")
                for each in staff
                for day in range(7)
            ]
        )
    noon = datetime.combine(datetime.now(UTC).date() + timedelta(days=2), time(12), UTC)
    ana, bo = (CreateBooking(staff_id=each.id, service_id=haircut.id, start_at=noon) for each in staff)
    return ana, bo


async def held_booking(scope: Scope) -> Booking:
    """A hold of the first of two chairs."""
    wanted, _ = await two_chairs(scope)
    return await hold_booking_slot.run(scope, HoldBookingSlot(service_id=wanted.service_id, start_at=wanted.start_at))
