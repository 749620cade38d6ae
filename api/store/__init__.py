"""What storefronts call."""

from ..router import ResourceRouter
from .availability import list_slots
from .bookings import get_booking, hold_slot, list_bookings
from .services import list_services
from .staff import list_staff
from .transitions import cancel, confirm, reschedule

store = ResourceRouter(
    "/store/bookings",
    route_handlers=[
        list_services,
        list_staff,
        list_slots,
        hold_slot,
        list_bookings,
        get_booking,
        confirm,
        cancel,
        reschedule,
    ],
    tags=["store"],
)

__all__ = ["store"]
