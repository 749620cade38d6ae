"""Moving a confirmed booking."""

from datetime import datetime

from msgspec import Struct, to_builtins

from core.workflow import workflow
from modules.booking import Booking, SlotUnavailable

from .steps import find_alternatives_of_booking, move_booking


class RescheduleBooking(Struct, frozen=True, kw_only=True):
    """Which booking, where to, by default with the same staff; the last two are for staff of the shop."""

    booking_id: str
    start_at: datetime
    staff_id: str | None = None
    customer_timezone: str | None = None
    ignore_hours: bool = False
    allow_started: bool = False


@workflow("reschedule-booking", version=1)
async def reschedule_booking(data: RescheduleBooking) -> Booking:
    """Move a booking to a start that is on offer; a `SlotUnavailable` brings alternatives along."""
    try:
        return await move_booking(
            data.booking_id,
            data.start_at,
            staff_id=data.staff_id,
            customer_timezone=data.customer_timezone,
            ignore_hours=data.ignore_hours,
            allow_started=data.allow_started,
        )
    except SlotUnavailable as taken:
        alternatives = await find_alternatives_of_booking(data.booking_id, data.start_at, data.staff_id)
        raise SlotUnavailable(taken.detail, alternatives=to_builtins(alternatives)) from taken
