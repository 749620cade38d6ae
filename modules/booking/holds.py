"""Holds: how they are made, undone and swept."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from core.db import Transaction
from core.errors import InvalidData, NotFound
from core.ids import new_id
from core.money import percent_of

from .changes import Changes
from .claims import EXPIRE, HOLD, release_claims
from .errors import OffGrid, SlotUnavailable
from .events import BookingEvent
from .grid import QUARTER, claim_length, on_grid, quarter_of
from .models import BOOKING
from .records import aware
from .slot_request import SlotRequest
from .state import decode_booking
from .types import Booking, BookingStatus, CreateBooking, DepositType, NewHold, Service
from .validation import zone_of

TEXTS = ("customer_id", "customer_email", "customer_phone", "customer_name", "customer_timezone", "notes")
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


class Holds(Changes):
    """Makes, undoes and sweeps holds."""

    async def create_held(self, hold: NewHold) -> Booking:
        """Hold a slot for the first of the staff members who is free; the claims alone decide.

        Raises `SlotUnavailable` when none is. The offer is the caller's to check, by `free_staff`.
        """
        transaction = await self._writing("create_held")
        if not hold.staff_ids:
            raise SlotUnavailable
        values = self._values(hold)
        # Who loses may have claimed some of the quarters: a savepoint takes them back before the next one is tried. The
        # last one needs none, since the error then ends the transaction, which spares most holds two round trips.
        for staff_id in hold.staff_ids[:-1]:
            try:
                async with transaction.savepoint():
                    return await _claim(transaction, values | {"staff_id": staff_id})
            except SlotUnavailable:
                continue
        return await _claim(transaction, values | {"staff_id": hold.staff_ids[-1]})

    async def create_bookings(self, data: Sequence[CreateBooking]) -> list[Booking]:
        """Hold slots as given, on the grid and never over another claim, but outside hours too if need be.

        An `end_at` that is not start plus duration is `InvalidData`.
        """
        made: dict[int, Booking] = {}
        # The order of the claims: staff, then time.
        for index in sorted(range(len(data)), key=lambda index: (data[index].staff_id, data[index].start_at)):
            made[index] = await self._create_booking(data[index])
        return [made[index] for index in range(len(data))]

    async def release(self, booking_id: str) -> None:
        """Take a booking back as if it had never been made; of one that is gone already nothing is left to do."""
        transaction = await self._writing("release")
        booking = await self._find_locked(booking_id)
        if booking is None:
            return
        await release_claims(transaction, [booking_id])
        await self._change(booking, status=BookingStatus.CANCELLED, hold_expires_at=None, deleted_at=self.clock.now())

    async def expire_due(self, limit: int = 500) -> list[BookingEvent]:
        """Sweep holds that have run out, the oldest first; return what is to be told of them."""
        transaction = await self._writing("expire_due")
        rows = await transaction.sql(EXPIRE, {"now": self.clock.now(), "limit": limit})
        swept = [BookingEvent(**dict(zip(BookingEvent.__struct_fields__, row, strict=False))) for row in rows]
        # Rows before claims, as everywhere: a confirmation that waited for the row now finds an expired hold.
        await release_claims(transaction, [each.booking_id for each in swept])
        return swept

    async def _create_booking(self, data: CreateBooking) -> Booking:
        start_at = aware(data.start_at, "start_at")
        # First of all: near the ends of the calendar no local midnight can be computed.
        if not EARLIEST <= start_at < LATEST:
            raise InvalidData(f"{start_at.isoformat()} is out of range", field="start_at")
        if not on_grid(start_at):
            raise OffGrid(f"{start_at.isoformat()} is not on the quarter hour")
        service = await self.active_service(data.service_id)
        if data.end_at is not None and aware(data.end_at, "end_at") != start_at + _duration(service):
            raise InvalidData(f"{service.name} takes {service.duration_minutes} minutes", field="end_at")
        request = SlotRequest.for_service(service, self.clock.now())
        if not await self._calendars_at(request, service.id, start_at, data.staff_id):
            raise NotFound(f"no active staff {data.staff_id!r:.80} who offers this service")
        given = {name: getattr(data, name) for name in data.__struct_fields__ if name in NewHold.__struct_fields__}
        return await self.create_held(NewHold(service=service, staff_ids=[data.staff_id], **given))

    def _values(self, hold: NewHold) -> dict[str, Any]:
        """Return the row of a hold, but for the staff member, with the snapshots of its service."""
        start_at, service, now = hold.start_at.astimezone(UTC), hold.service, self.clock.now()
        first = quarter_of(start_at)
        count = claim_length(service.duration_minutes, service.buffer_minutes)
        if hold.customer_timezone is not None:
            zone_of(hold.customer_timezone)
        texts = {name: self._text(name, getattr(hold, name)) for name in TEXTS}
        return texts | {
            "id": new_id(BOOKING.id_prefix),
            "service_id": service.id,
            "start_at": start_at,
            "end_at": start_at + _duration(service),
            "claimed_until": start_at + QUARTER * count,
            "hold_expires_at": now + timedelta(seconds=self.scope.config.shop.hold_seconds),
            "service_name": service.name,
            "price_amount": service.price,
            "currency_code": service.currency_code,
            "deposit_amount": deposit_of(service),
            "metadata": None if hold.metadata is None else Jsonb(hold.metadata),
            "now": now,
            "first": first,
            "stop": first + count,
        }


def deposit_of(service: Service) -> int | None:
    """Return the deposit in minor units, per cents rounded half up; None for a service without one."""
    match service.deposit_type:
        case DepositType.NONE:
            return None
        case DepositType.FIXED:
            return service.deposit_value
        case DepositType.PERCENT:
            return percent_of(service.price, service.deposit_value or 0)


async def _claim(transaction: Transaction, values: dict[str, Any]) -> Booking:
    """Claim for one staff member and make the booking; raise `SlotUnavailable` if another booking has the time."""
    rows = await transaction.sql(HOLD, values)
    if not rows:
        raise SlotUnavailable(f"{values['start_at'].isoformat()} is not available")
    return decode_booking(rows[0][0])


def _duration(service: Service) -> timedelta:
    return timedelta(minutes=service.duration_minutes)
