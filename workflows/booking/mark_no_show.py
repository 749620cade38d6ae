"""Closing a booking whose customer did not come."""

from msgspec import Struct

from core.workflow import workflow
from modules.booking import Booking

from .steps import mark_confirmed_booking_no_show


class MarkNoShow(Struct, frozen=True, kw_only=True):
    """Which booking."""

    booking_id: str


@workflow("mark-no-show", version=1)
async def mark_no_show(data: MarkNoShow) -> Booking:
    """Record that the customer did not come."""
    return await mark_confirmed_booking_no_show(data.booking_id)
