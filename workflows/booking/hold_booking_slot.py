"""Holding a slot while the customer decides."""

from datetime import datetime

from msgspec import Struct, to_builtins
from msgspec.structs import asdict

from core.workflow import workflow
from modules.booking import Booking, NewHold, Service, SlotUnavailable

from .steps import create_held_booking, find_alternatives, get_active_service, validate_slot_availability


class HoldBookingSlot(Struct, frozen=True, kw_only=True):
    """Which slot, of whom (by default whoever is free), for whom."""

    service_id: str
    start_at: datetime
    staff_id: str | None = None
    customer_id: str | None = None
    customer_email: str | None = None
    customer_phone: str | None = None
    customer_name: str | None = None
    customer_timezone: str | None = None
    notes: str | None = None

    def request(self, service: Service, staff_ids: list[str]) -> NewHold:
        """Return what is to be claimed for one of these staff members."""
        customer = {name: value for name, value in asdict(self).items() if name.startswith("customer_")}
        return NewHold(service=service, staff_ids=staff_ids, start_at=self.start_at, notes=self.notes, **customer)


@workflow("hold-booking-slot", version=1)
async def hold_booking_slot(data: HoldBookingSlot) -> Booking:
    """Hold a slot that is on offer; a `SlotUnavailable` brings alternatives along."""
    service = await get_active_service(data.service_id)
    try:
        staff_ids = await validate_slot_availability(service, data.start_at, data.staff_id)
        return await create_held_booking(data.request(service, staff_ids))
    except SlotUnavailable as taken:
        alternatives = await find_alternatives(service, data.start_at, data.staff_id)
        raise SlotUnavailable(taken.detail, alternatives=to_builtins(alternatives)) from taken
