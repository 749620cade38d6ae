"""Cancelling a hold or a confirmed booking."""

from msgspec import Struct

from core.workflow import workflow
from modules.booking import Booking

from .steps import cancel_live_booking


class CancelBooking(Struct, frozen=True, kw_only=True):
    """Which booking, why, and whether it may have started."""

    booking_id: str
    reason: str | None = None
    allow_started: bool = False


@workflow("cancel-booking", version=1)
async def cancel_booking(data: CancelBooking) -> Booking:
    """Cancel a booking and free its slot; cancelled before, it stays as it is."""
    return await cancel_live_booking(data.booking_id, data.reason, allow_started=data.allow_started)
