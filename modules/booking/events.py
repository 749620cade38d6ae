"""What subscribers are told of a booking."""

from datetime import datetime

from msgspec import Struct

from .types import Booking


class BookingEvent(Struct, frozen=True, kw_only=True):
    """The data of `booking.held`, `.confirmed`, `.cancelled`, `.rescheduled`, `.expired`, `.completed`, `.no_show`.

    Ids and times (UTC) alone: who needs more reads the booking, as far as it still exists then.
    """

    booking_id: str
    version: int
    """Of the booking, one more at each change: of two events the later one has the higher."""
    staff_id: str
    service_id: str
    customer_id: str | None
    start_at: datetime
    end_at: datetime
    previous_staff_id: str | None = None
    """Where it was before, of one that was rescheduled."""
    previous_start_at: datetime | None = None

    @classmethod
    def of(cls, booking: Booking, *, moved_from: Booking | None = None) -> "BookingEvent":
        """Return what is told of a booking as it stands now."""
        return cls(
            booking_id=booking.id,
            version=booking.version,
            staff_id=booking.staff_id,
            service_id=booking.service_id,
            customer_id=booking.customer_id,
            start_at=booking.start_at,
            end_at=booking.end_at,
            previous_staff_id=None if moved_from is None else moved_from.staff_id,
            previous_start_at=None if moved_from is None else moved_from.start_at,
        )
