"""Moving a confirmed booking to another time or staff member."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import func

from core.errors import NotFound

from .availability import staff_at
from .changes import Changes
from .claims import claim_count, move_claims
from .errors import HoldExpired, InvalidState, SlotUnavailable
from .grid import QUARTER
from .models import BookingTable
from .offers import service_of
from .records import aware
from .slot_request import SlotRequest, check_start
from .state import status_at
from .types import Booking, BookingStatus
from .validation import zone_of

FARTHEST = timedelta(days=36500)


class Moves(Changes):
    """Moves bookings."""

    async def reschedule(
        self,
        booking_id: str,
        start_at: datetime,
        *,
        staff_id: str | None = None,
        customer_timezone: str | None = None,
        ignore_hours: bool = False,
        allow_started: bool = False,
    ) -> Booking:
        """Move a confirmed booking, by default with the same staff; it keeps its own duration and claims.

        Onto itself nothing is checked or changed. `ignore_hours` skips hours, notice and horizon, never a claim.
        Raises `HoldExpired`, `InvalidState`, `NotFound`, `SlotUnavailable` and what `check_start` raises.
        """
        await self._writing("reschedule")
        booking = await self._lock(booking_id)
        _check_movable(booking, self.clock.now(), allow_started=allow_started)
        target = booking.staff_id if staff_id is None else staff_id
        # Before the offer is asked: a repeated move may find its own start off the offer, within the notice by now.
        if aware(start_at, "start_at") == booking.start_at and target == booking.staff_id:
            return booking
        if customer_timezone is not None:
            zone_of(customer_timezone)
        await self._check_offer(booking, start_at, staff_id, ignore_hours=ignore_hours)
        zone = customer_timezone or booking.customer_timezone
        return await self._move(booking, target, start_at.astimezone(UTC), customer_timezone=zone)

    async def move_back(self, booking_id: str, *, version: int, staff_id: str, start_at: datetime) -> None:
        """Undo a move, unless the booking has changed since that version; `SlotUnavailable` if its time is gone."""
        await self._writing("move_back")
        booking = await self._lock(booking_id)
        # Another version is somebody's later change, which is not ours to undo.
        if booking.status is BookingStatus.CONFIRMED and booking.version == version:
            await self._move(booking, staff_id, start_at)

    async def _move(self, booking: Booking, staff_id: str, start_at: datetime, **changes: Any) -> Booking:
        transaction, now = self.session.writable("booking.move"), self.clock.now()
        # False leaves some quarters claimed: the error has to end the transaction, or a savepoint around this.
        if not await move_claims(transaction, booking, staff_id=staff_id, start_at=start_at, now=now):
            raise SlotUnavailable(f"{start_at.isoformat()} is not available")
        return await self._change(
            booking,
            staff_id=staff_id,
            start_at=start_at,
            end_at=start_at + (booking.end_at - booking.start_at),
            first_start_at=func.least(BookingTable.first_start_at, start_at),
            # With the length it was made with: the service's own may be another by now.
            claimed_until=start_at + QUARTER * claim_count(booking),
            **changes,
        )

    async def _check_offer(
        self, booking: Booking, start_at: datetime, staff_id: str | None, *, ignore_hours: bool
    ) -> None:
        """Raise unless the start is on offer for the move, by the calculation that lists the slots."""
        service = service_of(booking)
        request = SlotRequest.for_move(booking, service, self.clock.now())
        if ignore_hours:
            request = msgspec.structs.replace(request, min_notice_minutes=0, max_days_ahead=FARTHEST.days)
        check_start(start_at, request)
        target = booking.staff_id if staff_id is None else staff_id
        calendars = await self._calendars_at(request, service.id, start_at, target, booking.id)
        if not calendars and staff_id is not None:
            raise NotFound(f"no active staff {staff_id!r:.80} who offers this service")
        if not ignore_hours and target not in staff_at(start_at, calendars, request).free:
            raise SlotUnavailable(f"{start_at.isoformat()} is not available")


def _check_movable(booking: Booking, now: datetime, *, allow_started: bool) -> None:
    match status_at(booking, now):
        case BookingStatus.EXPIRED:
            raise HoldExpired
        case BookingStatus.CONFIRMED if booking.start_at <= now and not allow_started:
            raise InvalidState("the booking has started")
        case BookingStatus.CONFIRMED:
            return
        case status:
            raise InvalidState(f"a booking that is {status.replace('_', '-')} cannot be moved", status=status)
