"""Closing a booking whose service was rendered."""

from msgspec import Struct

from core.workflow import workflow
from modules.booking import Booking

from .steps import complete_confirmed_booking


class CompleteBooking(Struct, frozen=True, kw_only=True):
    """Which booking."""

    booking_id: str


@workflow("complete-booking", version=1)
async def complete_booking(data: CompleteBooking) -> Booking:
    """Record that the service was rendered."""
    return await complete_confirmed_booking(data.booking_id)
