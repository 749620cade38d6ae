"""A running `holdfast api`, and what a test does there: open a shop of its own, and book in it over HTTP."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from msgspec import Struct
from msgspec.structs import replace

from core.app import Application
from core.testing import move_clock
from modules.booking import (
    Booking,
    BookingService,
    CreateAvailabilityRule,
    CreateService,
    CreateStaff,
    Service,
    Staff,
    UpdateService,
)

from .slots import Document, starts, weekly

BOOKINGS = "/store/bookings"
DAYS_AHEAD = 3
"""On which day tests book by default: far enough not to be past in any zone."""
HOLD = timedelta(minutes=10)
HAIRCUT: Document = {"name": "Haircut", "price": 2500, "duration_minutes": 30, "max_days_ahead": 3660}
CONTACT: Document = {"customer_email": "guest@example.com"}


class Site:
    """The server, and an application on the same database for what has no route."""

    def __init__(self, application: Application, http: httpx.AsyncClient) -> None:
        self.application = application
        self.http = http
        self._today = self.now().date()

    @property
    def url(self) -> str:
        """The URL of the database."""
        return self.application.config.database.url

    def now(self) -> datetime:
        """Return the present instant as the server sees it."""
        return self.application.clock.now()

    def day(self, ahead: int = DAYS_AHEAD) -> date:
        """Return a date some days ahead, the same one all the time."""
        return self._today + timedelta(days=ahead)

    def at(self, hour: int, minute: int = 0, *, ahead: int = DAYS_AHEAD) -> datetime:
        """Return a time of day in UTC, some days ahead."""
        return datetime.combine(self.day(ahead), time(hour, minute), UTC)

    @asynccontextmanager
    async def moved(self, by: timedelta) -> AsyncGenerator[None]:
        """Move the clock of the server for the length of a block."""
        await move_clock(self.application, by)
        try:
            yield
        finally:
            await move_clock(self.application, -by)

    def moved_to(self, at: datetime) -> AbstractAsyncContextManager[None]:
        """Move the clock to an instant that has then come for every process, each of which measures for itself."""
        return self.moved(at - self.now() + timedelta(milliseconds=100))

    async def open_shop(
        self,
        *rules: CreateAvailabilityRule,
        staff: int = 1,
        timezone: str = "UTC",
        **service: Any,
    ) -> "Shop":
        """Make staff who alone offer a new service; without rules they work around the clock."""
        async with self.application.scope() as scope, scope.transaction():
            bookings = scope.resolve(BookingService)
            people = [CreateStaff(name=f"Barber {number}", timezone=timezone) for number in range(staff)]
            shop = Shop(self, await bookings.staff.create(people), await _create_service(bookings, **service))
            await bookings.set_service_staff(shop.service.id, [one.id for one in shop.staff])
        for one in shop.staff:
            await shop.add_rules(*(rules or weekly("00:00", "24:00")), staff=one)
        return shop

    async def find(self, booking_id: str) -> Booking | None:
        """Return a booking as the database has it, an expired one too."""
        async with self.application.scope() as scope:
            return await scope.resolve(BookingService).find_booking(booking_id)

    async def sweep(self) -> list[str]:
        """Run the statement of the expiry job."""
        async with self.application.scope() as scope, scope.transaction():
            return [swept.booking_id for swept in await scope.resolve(BookingService).expire_due()]

    async def claims(self, booking_id: str) -> int:
        """Return how many quarter hours a booking owns."""
        async with self.application.scope() as scope:
            rows = await scope.session.sql("SELECT count(*) FROM slot_claim WHERE booking_id = %s", [booking_id])
        return rows[0][0]


class Shop(Struct, frozen=True):
    """One service and the staff who offer it."""

    site: Site
    staff: list[Staff]
    service: Service

    @property
    def zone(self) -> ZoneInfo:
        """Where the staff are."""
        return ZoneInfo(self.staff[0].timezone)

    async def add_rules(self, *rules: CreateAvailabilityRule, staff: Staff | None = None) -> None:
        """Give a staff member, by default the first, more rules."""
        owned = [replace(rule, staff_id=(staff or self.staff[0]).id) for rule in rules]
        async with self.site.application.scope() as scope, scope.transaction():
            await scope.resolve(BookingService).availability_rules.create(owned)

    async def with_service(self, **service: Any) -> "Shop":
        """Return the same staff offering another new service."""
        async with self.site.application.scope() as scope, scope.transaction():
            bookings = scope.resolve(BookingService)
            made = await _create_service(bookings, **service)
            await bookings.set_service_staff(made.id, [one.id for one in self.staff])
        return Shop(self.site, self.staff, made)

    async def update_service(self, **changes: Any) -> None:
        """Change the service."""
        async with self.site.application.scope() as scope, scope.transaction():
            await scope.resolve(BookingService).services.update([UpdateService(id=self.service.id, **changes)])

    async def slots(self, day: date, **query: Any) -> list[Document]:
        """Return the slots that start on a date."""
        wanted = {"date": day.isoformat(), "service_id": self.service.id} | query
        answer = await self.site.http.get(f"{BOOKINGS}/availability", params=wanted)
        assert answer.status_code == 200, answer.text
        return answer.json()["slots"]

    async def free(self, day: date, **query: Any) -> list[datetime]:
        """Return the starts on a date at which somebody is free."""
        return starts([slot for slot in await self.slots(day, **query) if slot["available"]])

    async def post(
        self, start_at: datetime | str, headers: dict[str, str] | None = None, **body: Any
    ) -> httpx.Response:
        """Ask for a hold; without `staff_id` of anybody."""
        start = start_at if isinstance(start_at, str) else start_at.isoformat()
        wanted = {"service_id": self.service.id, "start_at": start} | body
        return await self.site.http.post(BOOKINGS, json=wanted, headers=headers)

    async def hold(self, start_at: datetime, **body: Any) -> "Ticket":
        """Hold a slot."""
        answer = await self.post(start_at, **(CONTACT | body))
        assert answer.status_code == 201, answer.text
        return Ticket(
            self.site, answer.json()["booking"]["id"], answer.json()["manage_token"], answer.json()["booking"]
        )

    async def book(self, start_at: datetime, **body: Any) -> "Ticket":
        """Hold a slot and confirm it."""
        ticket = await self.hold(start_at, **body)
        answer = await ticket.confirm()
        assert answer.status_code == 200, answer.text
        return ticket


class Ticket(Struct, frozen=True):
    """A guest's hold: its id, token, and the booking as it was first answered."""

    site: Site
    id: str
    token: str
    booking: Document

    @property
    def path(self) -> str:
        """Where the booking is."""
        return f"{BOOKINGS}/{self.id}"

    @property
    def hold_expires_at(self) -> datetime:
        """When the hold ends, as first answered."""
        return datetime.fromisoformat(self.booking["hold_expires_at"])

    async def get(self) -> httpx.Response:
        """Look at the booking."""
        return await self.site.http.get(self.path, headers={"X-Manage-Token": self.token})

    async def send(self, action: str, body: Document | None = None, key: str | None = None) -> httpx.Response:
        """POST to the booking."""
        headers = {"X-Manage-Token": self.token} | ({"Idempotency-Key": key} if key else {})
        return await self.site.http.post(f"{self.path}/{action}", json=body or {}, headers=headers)

    async def confirm(self, payment_mode: str = "pay_in_store", **body: Any) -> httpx.Response:
        """Confirm."""
        return await self.send("confirm", {"payment_mode": payment_mode} | body)

    async def cancel(self) -> httpx.Response:
        """Cancel."""
        return await self.send("cancel")

    async def reschedule(self, start_at: datetime, **body: Any) -> httpx.Response:
        """Move."""
        return await self.send("reschedule", {"start_at": start_at.isoformat()} | body)


async def _create_service(bookings: BookingService, **service: Any) -> Service:
    [made] = await bookings.services.create([CreateService(**(HAIRCUT | service))])
    return made
