"""What can be booked: the slots on offer, who is free for a start, and what else there is."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import LiteralString

from core.errors import InvalidData, NotFound

from .availability import StaffCalendar, offered_slots, staff_at
from .calendars import CalendarQuery, read_calendars, window_of
from .errors import RangeTooLarge, SlotUnavailable
from .grid import quarter_of
from .local_time import first_instant
from .records import Records, aware, is_id
from .slot_request import SlotRequest, check_start
from .state import no_booking
from .types import Booking, BookingStatus, Service, Slot, SlotQuery
from .validation import zone_of

MOST_DAYS = 42
ALTERNATIVES = 5
ALTERNATIVE_DAYS = 14

# Bookings last a day at most, so nothing that began before the day before matters.
BUSYNESS: LiteralString = """
SELECT day.staff_id
FROM unnest(%(staff_ids)s::text[], %(since)s::timestamptz[], %(until)s::timestamptz[]) AS day (staff_id, since, until),
LATERAL (
    SELECT coalesce(sum(least(end_at, day.until) - greatest(start_at, day.since)), interval '0') AS booked
    FROM booking
    WHERE staff_id = day.staff_id AND deleted_at IS NULL AND status IN ('held', 'confirmed')
        AND (status = 'confirmed' OR hold_expires_at > %(now)s)
        AND start_at > day.since - interval '1 day' AND start_at < day.until AND end_at > day.since
) busyness
ORDER BY booked, day.staff_id COLLATE "C" """


class Offers(Records):
    """The one calculation behind offer and booking, on what the database holds."""

    async def slots(self, query: SlotQuery) -> list[Slot]:
        """Return the slots of some dates, sorted by instant.

        Raises `NotFound` for a service, staff member or booking that is unknown, inactive or does not go together,
        `RangeTooLarge` for too many days, `InvalidData` for an unknown time zone.
        """
        if not 1 <= query.days <= MOST_DAYS:
            raise RangeTooLarge(f"{query.days} days: ask for 1 to {MOST_DAYS}")
        zone = zone_of(query.timezone) if query.timezone is not None else None
        request = await self._request(query)
        calendars = await self._calendars(
            request, query.service_id, window_of(query.date, query.days), query.staff_id, query.booking_id
        )
        if query.staff_id is not None and not calendars:
            raise NotFound(f"no active staff {query.staff_id!r:.80} who offers this service")
        return offered_slots(calendars, request, query.date, query.days, zone)

    async def free_staff(self, service: Service, start_at: datetime, staff_id: str | None = None) -> list[str]:
        """Return who can take a start, the least busy of that day first.

        Raises `OffGrid`, `InPast`, `TooSoon`, `TooFarAhead`, `SlotUnavailable`, or `NotFound` for the staff member.
        """
        now = self.clock.now()
        request = SlotRequest.for_service(service, now)
        check_start(aware(start_at, "start_at"), request)
        calendars = await self._calendars_at(request, service.id, start_at, staff_id)
        if staff_id is not None and not calendars:
            raise NotFound(f"no active staff {staff_id!r:.80} who offers this service")
        # A look without locks: it chooses whom to try, and the claims decide.
        free = staff_at(start_at, calendars, request).free
        if not free:
            raise SlotUnavailable(f"{start_at.isoformat()} is not available")
        if len(free) == 1:
            return free
        return await self._by_busyness([each for each in calendars if each.staff_id in free], start_at, now)

    async def alternatives(self, service: Service, start_at: datetime, staff_id: str | None = None) -> list[Slot]:
        """Return up to 5 slots of the 14 days from a start on, the asked staff member's first, then the others'."""
        request = SlotRequest.for_service(service, self.clock.now())
        return await self._alternatives(request, service.id, start_at, staff_id)

    async def alternatives_of(
        self, booking_id: str, start_at: datetime | None = None, staff_id: str | None = None
    ) -> list[Slot]:
        """Return up to 5 slots to which a booking can move, or at which it can be made anew once it has expired."""
        booking = await self.find_booking(booking_id)
        if booking is None:
            raise no_booking(booking_id)
        service, start_at, staff_id = service_of(booking), start_at or booking.start_at, staff_id or booking.staff_id
        # What is not confirmed cannot move but be made anew, so today's rules of the service count, not its own length.
        if booking.status is not BookingStatus.CONFIRMED:
            offered = service.is_active and service.deleted_at is None
            return await self.alternatives(service, start_at, staff_id) if offered else []
        request = SlotRequest.for_move(booking, service, self.clock.now())
        found = await self._alternatives(request, service.id, start_at, staff_id, booking.id)
        return [slot for slot in found if slot.start_at != booking.start_at or slot.staff_ids != [booking.staff_id]]

    async def _alternatives(
        self,
        request: SlotRequest,
        service_id: str,
        start_at: datetime,
        staff_id: str | None,
        booking_id: str | None = None,
    ) -> list[Slot]:
        since = max(start_at.astimezone(UTC), request.now)
        # Local dates are up to one off; whatever lies before the start comes last.
        day = (since - timedelta(days=1)).date()
        window = window_of(day, ALTERNATIVE_DAYS + 1)
        found: list[Slot] = []
        # Everybody's calendars are read only when the asked staff member's do not suffice.
        for asked in (True, False) if staff_id else (False,):
            calendars = await self._calendars(request, service_id, window, staff_id if asked else None, booking_id)
            chosen = [each for each in calendars if asked or each.staff_id != staff_id]
            slots = [
                slot
                for slot in offered_slots(chosen, request, day, ALTERNATIVE_DAYS + 1)
                if slot.available and slot.start_at < since + timedelta(days=ALTERNATIVE_DAYS)
            ]
            found += sorted(slots, key=lambda slot: (slot.start_at < since, slot.start_at))
            if len(found) >= ALTERNATIVES:
                break
        return found[:ALTERNATIVES]

    async def _request(self, query: SlotQuery) -> SlotRequest:
        now = self.clock.now()
        if query.booking_id is None:
            return SlotRequest.for_service(await self.active_service(query.service_id), now)
        booking = await self.get_booking(query.booking_id)
        if booking.service_id != query.service_id:
            raise no_booking(query.booking_id)
        return SlotRequest.for_move(booking, service_of(booking), now)

    async def _calendars_at(
        self,
        request: SlotRequest,
        service_id: str,
        start_at: datetime,
        staff_id: str | None,
        booking_id: str | None = None,
    ) -> list[StaffCalendar]:
        window = range(quarter_of(start_at), quarter_of(start_at) + 1)
        return await self._calendars(request, service_id, window, staff_id, booking_id)

    async def _calendars(
        self,
        request: SlotRequest,
        service_id: str,
        starts: range,
        staff_id: str | None,
        booking_id: str | None = None,
    ) -> list[StaffCalendar]:
        """Read the calendars as far as they decide about starts in a window of quarters."""
        if staff_id is not None and not is_id(staff_id):
            return []
        # Cut to what the service admits at all: a date far off costs no more to ask for than one of today.
        first = max(starts.start, quarter_of(request.earliest))
        stop = min(starts.stop, quarter_of(request.latest) + 1)
        window = range(first, stop + request.reach) if first < stop else range(0)
        query = CalendarQuery(
            service_id=service_id, window=window, now=request.now, staff_id=staff_id, booking_id=booking_id
        )
        return await read_calendars(self.session, query)

    async def _by_busyness(self, free: Sequence[StaffCalendar], start_at: datetime, now: datetime) -> list[str]:
        """Order staff by their booked minutes on the day of the start in their own zone, then by id."""
        days = [(each, start_at.astimezone(each.zone).date()) for each in free]
        values = {
            "staff_ids": [each.staff_id for each in free],
            "since": [first_instant(day, "00:00", each.zone, closing=False) for each, day in days],
            "until": [first_instant(day, "24:00", each.zone, closing=True) for each, day in days],
            "now": now,
        }
        return [id for (id,) in await self.session.sql(BUSYNESS, values)]


def service_of(booking: Booking) -> Service:
    """Return the service of a booking that was read with it."""
    if not isinstance(booking.service, Service):
        raise InvalidData(f"booking {booking.id} was read without its service")
    return booking.service
