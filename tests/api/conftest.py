"""A shop with one barber behind the API, over HTTP."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from api.app import create_app
from core.app import Application
from modules.booking import BookingService, CreateAvailabilityRule, CreateService, CreateStaff, Service, Staff

AWAY = "postgresql://nobody@127.0.0.1:1/none"
"""A database that is not there."""


class Shop(msgspec.Struct, frozen=True):
    """A haircut of 30 minutes for 25.00 usd, and John in Vienna who works round the clock."""

    haircut: Service
    john: Staff

    def start(self, hours: int = 0) -> str:
        """Return tomorrow at noon, or so many hours later."""
        noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return (noon + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def hold(self, hours: int = 0, **fields: object) -> dict[str, object]:
        """Return the body of a hold."""
        return {"service_id": self.haircut.id, "start_at": self.start(hours), **fields}


@pytest.fixture
async def shop(application: Application) -> Shop:
    async with application.scope() as scope, scope.transaction():
        booking = scope.resolve(BookingService)
        [haircut] = await booking.services.create([CreateService(name="Haircut", price=2500)])
        [john] = await booking.staff.create(
            [CreateStaff(name="John", timezone="Europe/Vienna", email="john@shop.example")]
        )
        await booking.availability_rules.create(
            [
                CreateAvailabilityRule(staff_id=john.id, day_of_week=day, start_time="00:00", end_time="24:00")
                for day in range(7)
            ]
        )
        return Shop(haircut, john)


def client_of(application: Application) -> httpx.AsyncClient:
    """Return a client of the API of an application, on this event loop."""
    app: Any = create_app(application)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop.test")


@pytest.fixture
async def client(application: Application) -> AsyncGenerator[httpx.AsyncClient]:
    async with client_of(application) as client:
        yield client
