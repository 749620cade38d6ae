"""The booking workflows are recorded in the shop of the booking module's tests."""

from tests.modules.booking.conftest import shop

__all__ = ["shop"]
