"""What becomes of a booking: confirm it, cancel it, move it."""

from typing import Any

from litestar import Request, Response, post
from litestar.params import JSONBody

from modules.booking import ContactRequired, HoldExpired, InvalidState, PaymentModeNotAllowed
from workflows.booking import (
    CancelBooking,
    ConfirmBooking,
    RescheduleBooking,
    cancel_booking,
    confirm_booking,
    reschedule_booking,
)

from ..deps import BookingPath, Container
from ..guards import NEEDS_CREDENTIAL
from ..idempotency import idempotency_key
from ..openapi import BODY_ERRORS, COVERED, COVERED_BY, KEYED, PLACED, REPLAYED, Keyed, KeyedOptionalBody, refusals
from ..times import instant
from ..views import BookingView
from .answers import CancelledBooking, ConfirmedBooking, OneBooking, replayed
from .bodies import CancelBody, ConfirmBody, RescheduleBody


@post(
    "/{booking_id:str}/confirm",
    status_code=200,
    opt=NEEDS_CREDENTIAL,
    summary="Confirm a held booking",
    operation_id="confirmBooking",
    operation_class=Keyed,
    security=COVERED_BY,
    response_headers=[REPLAYED],
    responses=refusals(
        *BODY_ERRORS, *COVERED, *KEYED, HoldExpired, InvalidState, ContactRequired, PaymentModeNotAllowed
    ),
)
async def confirm(
    request: Request[Any, Any, Any], booking_id: BookingPath, data: JSONBody[ConfirmBody], container: Container
) -> Response[ConfirmedBooking]:
    """Confirm at once, to be paid in store; the other modes are not taken. Repeated: the same answer."""
    wanted = ConfirmBooking(
        booking_id=booking_id,
        payment_mode=data.payment_mode,
        customer_email=data.customer_email,
        customer_phone=data.customer_phone,
        customer_name=data.customer_name,
    )
    booking = await confirm_booking.run(container, wanted, key=idempotency_key(request))
    return Response(ConfirmedBooking(booking=BookingView.of(booking)), headers=replayed(container))


@post(
    "/{booking_id:str}/cancel",
    status_code=200,
    opt=NEEDS_CREDENTIAL,
    summary="Cancel a booking",
    operation_id="cancelBooking",
    operation_class=KeyedOptionalBody,
    security=COVERED_BY,
    response_headers=[REPLAYED],
    responses=refusals(*BODY_ERRORS, *COVERED, *KEYED, HoldExpired, InvalidState),
)
async def cancel(
    request: Request[Any, Any, Any],
    booking_id: BookingPath,
    container: Container,
    data: JSONBody[CancelBody | None] = None,
) -> Response[CancelledBooking]:
    """Cancel and free the slot, until the booking starts. Repeated: the same answer."""
    booking = await cancel_booking.run(
        container,
        CancelBooking(booking_id=booking_id, reason=data.reason if data else None),
        key=idempotency_key(request),
    )
    return Response(CancelledBooking(booking=BookingView.of(booking)), headers=replayed(container))


@post(
    "/{booking_id:str}/reschedule",
    status_code=200,
    opt=NEEDS_CREDENTIAL,
    summary="Move a confirmed booking",
    operation_id="rescheduleBooking",
    operation_class=Keyed,
    security=COVERED_BY,
    response_headers=[REPLAYED],
    responses=refusals(*BODY_ERRORS, *PLACED, *COVERED, *KEYED, HoldExpired, InvalidState),
)
async def reschedule(
    request: Request[Any, Any, Any], booking_id: BookingPath, data: JSONBody[RescheduleBody], container: Container
) -> Response[OneBooking]:
    """Move a confirmed booking until it starts, with its own duration; onto itself nothing changes."""
    wanted = RescheduleBooking(
        booking_id=booking_id,
        start_at=instant(data.start_at, data.timezone, field="start_at"),
        staff_id=data.staff_id,
        customer_timezone=data.timezone,
    )
    booking = await reschedule_booking.run(container, wanted, key=idempotency_key(request))
    return Response(OneBooking(booking=BookingView.of(booking)), headers=replayed(container))
