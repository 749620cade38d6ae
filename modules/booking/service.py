"""The booking service: all that can be done with services, staff, hours and bookings."""

from .holds import Holds
from .moves import Moves
from .transitions import Transitions


class BookingService(Holds, Transitions, Moves):
    """Appointments without double bookings.

    Reads work anywhere; writes need an open transaction, wait for a lock 2 s at most, and never commit.
    """
