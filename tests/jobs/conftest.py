"""Jobs are tested in the shop of the booking module's tests."""

from tests.modules.booking.conftest import bookings, shop

__all__ = ["bookings", "shop"]
