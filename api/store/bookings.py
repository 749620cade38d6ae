"""Bookings: hold one, look at one."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.datastructures import ResponseHeader
from litestar.params import JSONBody

from core.errors import Busy, NotFound, Unauthorized
from modules.booking import BookingStatus, manage_token, status_at
from workflows.booking import HoldBookingSlot, hold_booking_slot

from ..credentials import authorized_booking
from ..deps import BookingPath, Container
from ..guards import CUSTOMERS_ONLY, NEEDS_CREDENTIAL, TAKES_CREDENTIAL
from ..idempotency import idempotency_key
from ..openapi import BODY_ERRORS, COVERED, COVERED_BY, KEYED, OPEN_TO_GUESTS, PLACED, REPLAYED, KeyedByGuests, refusals
from ..times import instant
from ..views import BookingView
from .answers import BookingPage, HeldBooking, OneBooking, replayed
from .bodies import HoldBody

LOCATION = ResponseHeader(name="Location", documentation_only=True, description="Where the booking is.")


@post(
    "/",
    opt=TAKES_CREDENTIAL,
    summary="Hold a slot",
    operation_id="holdSlot",
    operation_class=KeyedByGuests,
    security=OPEN_TO_GUESTS,
    response_headers=[LOCATION, REPLAYED],
    responses=refusals(*BODY_ERRORS, *PLACED, *KEYED, Unauthorized, NotFound),
)
async def hold_slot(
    request: Request[Any, Any, Any], data: JSONBody[HoldBody], container: Container
) -> Response[HeldBooking]:
    """Hold a slot for a while; whoever confirms it in time has it.

    Without `staff_id` the free staff member with the fewest booked minutes on that day takes it.
    """
    wanted = HoldBookingSlot(
        service_id=data.service_id,
        start_at=instant(data.start_at, data.timezone, field="start_at"),
        staff_id=data.staff_id,
        customer_email=data.customer_email,
        customer_phone=data.customer_phone,
        customer_name=data.customer_name,
        customer_timezone=data.timezone,
        notes=data.notes,
    )
    booking = await hold_booking_slot.run(container, wanted, key=idempotency_key(request))
    held = HeldBooking(booking=BookingView.of(booking), manage_token=manage_token(booking, container.config.secrets))
    return Response(held, headers={"Location": f"/store/bookings/{booking.id}", **replayed(container)})


@get(
    "/",
    summary="My bookings",
    operation_id="listBookings",
    security=[{"bearer": []}],
    opt=CUSTOMERS_ONLY,
    responses=refusals(Unauthorized),
)
async def list_bookings() -> BookingPage:
    """For customers. A guest has a token for one booking, not for a list of them, and gets 401."""
    raise Unauthorized


@get(
    "/{booking_id:str}",
    opt=NEEDS_CREDENTIAL,
    summary="One booking",
    operation_id="getBooking",
    security=COVERED_BY,
    responses=refusals(*COVERED, Busy),
)
async def get_booking(request: Request[Any, Any, Any], booking_id: BookingPath, container: Container) -> OneBooking:
    """Show a booking to somebody whose credential covers it; a hold that ran out is gone."""
    booking = authorized_booking(request)
    if status_at(booking, container.clock.now()) is BookingStatus.EXPIRED:
        raise NotFound(f"no booking {booking_id!r:.80}")
    return OneBooking(booking=BookingView.of(booking))
