"""Fixtures of the booking workflows' tests."""

import pytest

from core.container import Scope
from modules.booking import BookingService
from tests.modules.booking.shop import Shop, open_shop


@pytest.fixture
async def shop(scope: Scope) -> Shop:
    """A small shop."""
    return await open_shop(scope)


@pytest.fixture
def bookings(scope: Scope) -> BookingService:
    """The service, on the test's scope."""
    return scope.resolve(BookingService)
