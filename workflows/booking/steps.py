"""The steps of the booking workflows."""

from datetime import datetime

from msgspec import Struct

from core.link import Links
from core.workflow import StepContext, StepResponse, step
from links.booking_customer import booking_customer
from modules.booking import Booking, BookingEvent, BookingService, Contact, NewHold, PaymentMode, Service, Slot


class Confirmation(Struct, frozen=True, kw_only=True):
    """What takes a confirmation back."""

    booking_id: str
    version: int
    hold_expires_at: datetime


class Origin(Struct, frozen=True, kw_only=True):
    """Where a booking was before it moved."""

    booking_id: str
    version: int
    staff_id: str
    start_at: datetime


@step("get-active-service", read=True)
async def get_active_service(ctx: StepContext, service_id: str) -> Service:
    """Read the service; fails with `NotFound` if it is unknown or inactive."""
    return await ctx.resolve(BookingService).active_service(service_id)


@step("validate-slot-availability", read=True)
async def validate_slot_availability(
    ctx: StepContext, service: Service, start_at: datetime, staff_id: str | None
) -> list[str]:
    """Return who can take the start, in order of preference; fails if the start is not on offer."""
    return await ctx.resolve(BookingService).free_staff(service, start_at, staff_id)


@step("create-held-booking")
async def create_held_booking(ctx: StepContext, hold: NewHold) -> StepResponse[Booking, str]:
    """Claim the slot and make the booking; fails with `SlotUnavailable` if another one was faster.

    A customer's booking is linked to them in the same transaction; fails with `NotFound` if they are unknown.
    """
    booking = await ctx.resolve(BookingService).create_held(hold)
    if hold.customer_id is not None:
        await ctx.resolve(Links).create(booking_customer, [(booking.id, hold.customer_id)])
    ctx.emit("booking.held", BookingEvent.of(booking))
    return StepResponse(booking, compensate_with=booking.id)


@create_held_booking.compensate
async def release_held_booking(ctx: StepContext, booking_id: str) -> None:
    """Free the slot; the booking is as if it had never been."""
    await ctx.resolve(BookingService).release(booking_id)


@step("confirm-held-booking")
async def confirm_held_booking(
    ctx: StepContext, booking_id: str, payment_mode: PaymentMode, contact: Contact
) -> StepResponse[Booking, Confirmation | None]:
    """Confirm the hold."""
    bookings = ctx.resolve(BookingService)
    before = await bookings.lock_booking(booking_id)
    booking = await bookings.confirm(booking_id, payment_mode, contact)
    if before.hold_expires_at is None:
        return StepResponse(booking, compensate_with=None)
    ctx.emit("booking.confirmed", BookingEvent.of(booking))
    undo = Confirmation(booking_id=booking.id, version=booking.version, hold_expires_at=before.hold_expires_at)
    return StepResponse(booking, compensate_with=undo)


@confirm_held_booking.compensate
async def unconfirm_booking(ctx: StepContext, confirmation: Confirmation | None) -> None:
    """Make it the hold again that it was."""
    if confirmation is not None:
        await ctx.resolve(BookingService).unconfirm(
            confirmation.booking_id, version=confirmation.version, hold_expires_at=confirmation.hold_expires_at
        )


@step("move-booking")
async def move_booking(
    ctx: StepContext,
    booking_id: str,
    start_at: datetime,
    *,
    staff_id: str | None,
    customer_timezone: str | None,
    ignore_hours: bool,
    allow_started: bool,
) -> StepResponse[Booking, Origin | None]:
    """Move a confirmed booking."""
    bookings = ctx.resolve(BookingService)
    before = await bookings.lock_booking(booking_id)
    booking = await bookings.reschedule(
        booking_id,
        start_at,
        staff_id=staff_id,
        customer_timezone=customer_timezone,
        ignore_hours=ignore_hours,
        allow_started=allow_started,
    )
    if before.version == booking.version:
        return StepResponse(booking, compensate_with=None)
    ctx.emit("booking.rescheduled", BookingEvent.of(booking, moved_from=before))
    undo = Origin(booking_id=booking.id, version=booking.version, staff_id=before.staff_id, start_at=before.start_at)
    return StepResponse(booking, compensate_with=undo)


@move_booking.compensate
async def move_booking_back(ctx: StepContext, origin: Origin | None) -> None:
    """Return to where the booking was; fails with `SlotUnavailable` while another booking is there."""
    if origin is not None:
        await ctx.resolve(BookingService).move_back(
            origin.booking_id, version=origin.version, staff_id=origin.staff_id, start_at=origin.start_at
        )


@step("cancel-live-booking")
async def cancel_live_booking(
    ctx: StepContext, booking_id: str, reason: str | None, *, allow_started: bool
) -> StepResponse[Booking, None]:
    """Cancel and free the slot; a cancellation stands, so there is nothing to undo it."""
    bookings = ctx.resolve(BookingService)
    before = await bookings.lock_booking(booking_id)
    booking = await bookings.cancel(booking_id, reason, allow_started=allow_started)
    return _told(ctx, "booking.cancelled", before, booking)


@step("complete-confirmed-booking")
async def complete_confirmed_booking(ctx: StepContext, booking_id: str) -> StepResponse[Booking, None]:
    """Record that the service was rendered; what has happened is not undone."""
    bookings = ctx.resolve(BookingService)
    before = await bookings.lock_booking(booking_id)
    return _told(ctx, "booking.completed", before, await bookings.complete(booking_id))


@step("mark-confirmed-booking-no-show")
async def mark_confirmed_booking_no_show(ctx: StepContext, booking_id: str) -> StepResponse[Booking, None]:
    """Record that the customer did not come; what has happened is not undone."""
    bookings = ctx.resolve(BookingService)
    before = await bookings.lock_booking(booking_id)
    return _told(ctx, "booking.no_show", before, await bookings.mark_no_show(booking_id))


def _told(ctx: StepContext, event: str, before: Booking, booking: Booking) -> StepResponse[Booking, None]:
    """Tell of a change for good, unless the booking was so already."""
    if booking.version != before.version:
        ctx.emit(event, BookingEvent.of(booking))
    return StepResponse(booking, compensate_with=None)


@step("find-alternatives", read=True)
async def find_alternatives(ctx: StepContext, service: Service, start_at: datetime, staff_id: str | None) -> list[Slot]:
    """Return other slots of the service near a start."""
    return await ctx.resolve(BookingService).alternatives(service, start_at, staff_id)


@step("find-alternatives-of-booking", read=True)
async def find_alternatives_of_booking(
    ctx: StepContext, booking_id: str, start_at: datetime | None = None, staff_id: str | None = None
) -> list[Slot]:
    """Return other slots for a booking near a start, by default its own."""
    return await ctx.resolve(BookingService).alternatives_of(booking_id, start_at, staff_id)
