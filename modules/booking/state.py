"""Where a booking stands at an instant: a hold is gone at the second it expires, swept or not."""

from datetime import datetime
from typing import LiteralString

import msgspec

from core.errors import NotFound

from .types import Booking, BookingStatus

VIEW: LiteralString = """
    (to_jsonb(booking) || jsonb_build_object(
        'staff', (SELECT to_jsonb(staff) FROM booking_staff staff WHERE staff.id = booking.staff_id),
        'service', (SELECT to_jsonb(service) FROM booking_service service WHERE service.id = booking.service_id)
    ))::text"""
"""A booking with its staff member and service, deleted ones too, as JSON."""

_decoder = msgspec.json.Decoder(Booking)


def decode_booking(view: str) -> Booking:
    """Return the booking that `VIEW` selected."""
    return _decoder.decode(view)


def status_at(booking: Booking, now: datetime) -> BookingStatus:
    """Return the status that holds at that instant: `expired` for a hold that has run out."""
    if booking.status is BookingStatus.HELD and booking.hold_expires_at is not None and booking.hold_expires_at <= now:
        return BookingStatus.EXPIRED
    return booking.status


def no_booking(booking_id: str) -> NotFound:
    """Return the error that says that there is no such booking."""
    return NotFound(f"no booking {booking_id!r:.80}")
