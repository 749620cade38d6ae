"""The records of the module and how the rest of the service finds them."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString

import msgspec

from core.errors import InvalidData, NotFound
from core.module import Service as ModuleService

from .claims import FIND
from .models import BOOKING
from .repositories import RuleRepository, ServiceRepository, StaffRepository
from .state import decode_booking, no_booking, status_at
from .types import Booking, BookingStatus, Service

ACTIVE_SERVICE: LiteralString = """
SELECT to_jsonb(service)::text FROM booking_service service WHERE id = %(id)s AND deleted_at IS NULL AND is_active"""
OFFERED_BY: LiteralString = """
SELECT staff_id FROM booking_service_staff WHERE service_id = %(service_id)s ORDER BY staff_id COLLATE "C" """
LOCK_SERVICE: LiteralString = (
    "SELECT id FROM booking_service WHERE id = %(id)s AND deleted_at IS NULL FOR NO KEY UPDATE"
)
WITHDRAW: LiteralString = "DELETE FROM booking_service_staff WHERE service_id = %(service_id)s"
KNOWN_STAFF: LiteralString = "SELECT id FROM booking_staff WHERE id = ANY(%(ids)s) AND deleted_at IS NULL FOR KEY SHARE"
OFFER: LiteralString = """
INSERT INTO booking_service_staff (service_id, staff_id)
SELECT %(service_id)s, unnest(%(staff_ids)s::text[]) ORDER BY 2"""

LONGEST_ID = 64

_service_decoder = msgspec.json.Decoder(Service)


class Records(ModuleService):
    """Generated reads and writes, and the reads that know what is live."""

    staff = StaffRepository()
    services = ServiceRepository()
    availability_rules = RuleRepository()
    bookings = BOOKING.reader()

    async def active_service(self, service_id: str) -> Service:
        """Return a service that can be booked; raise `NotFound` if it is unknown or inactive."""
        rows = await self.session.sql(ACTIVE_SERVICE, {"id": service_id}) if is_id(service_id) else []
        if not rows:
            raise NotFound(f"no active service {service_id!r:.80}")
        return _service_decoder.decode(rows[0][0])

    async def find_booking(self, booking_id: str) -> Booking | None:
        """Return a booking with its staff member and service, an expired hold too, swept or not."""
        rows = await self.session.sql(FIND, {"id": booking_id}) if is_id(booking_id) else []
        return decode_booking(rows[0][0]) if rows else None

    async def get_booking(self, booking_id: str) -> Booking:
        """Return a booking with its staff member and service; raise `NotFound` for an expired hold."""
        booking = await self.find_booking(booking_id)
        if booking is None or status_at(booking, self.clock.now()) is BookingStatus.EXPIRED:
            raise no_booking(booking_id)
        return booking

    async def staff_of_service(self, service_id: str) -> list[str]:
        """Return to whom a service is restricted; nobody means that everybody offers it."""
        return [id for (id,) in await self.session.sql(OFFERED_BY, {"service_id": service_id})]

    async def set_service_staff(self, service_id: str, staff_ids: Sequence[str]) -> None:
        """Restrict a service to some staff members; none lifts the restriction."""
        transaction = self.session.writable("set_service_staff")
        wanted = sorted(set(staff_ids))
        # Two lists at once would mix: the second one waits here, and replaces the first.
        if not await transaction.sql(LOCK_SERVICE, {"id": service_id}):
            raise NotFound(f"no service {service_id!r:.80}")
        known = {id for (id,) in await transaction.sql(KNOWN_STAFF, {"ids": wanted})}
        if unknown := [id for id in wanted if id not in known]:
            raise NotFound(f"no staff {', '.join(unknown):.200}")
        await transaction.sql(WITHDRAW, {"service_id": service_id})
        await transaction.sql(OFFER, {"service_id": service_id, "staff_ids": wanted})


def is_id(text: str) -> bool:
    """Whether that could be an id at all; what could not is not worth a statement, or breaks one."""
    return len(text) <= LONGEST_ID and text.isascii() and text.isprintable()


def aware(at: datetime, field: str) -> datetime:
    """Return the instant; raise `InvalidData` for a time without a zone."""
    if at.tzinfo is None:
        raise InvalidData(f"{at.isoformat()} has no time zone", field=field)
    return at
