"""Confirming a hold, paid in the shop."""

from msgspec import Struct, to_builtins

from core.workflow import workflow
from modules.booking import Booking, Contact, HoldExpired, PaymentMode

from .steps import confirm_held_booking, find_alternatives_of_booking


class ConfirmBooking(Struct, frozen=True, kw_only=True):
    """Which hold, how it is paid, and contact that was still missing."""

    booking_id: str
    payment_mode: PaymentMode
    customer_email: str | None = None
    customer_phone: str | None = None
    customer_name: str | None = None


@workflow("confirm-booking", version=1)
async def confirm_booking(data: ConfirmBooking) -> Booking:
    """Confirm a live hold; a `HoldExpired` brings alternatives along."""
    contact = Contact(
        customer_email=data.customer_email, customer_phone=data.customer_phone, customer_name=data.customer_name
    )
    try:
        return await confirm_held_booking(data.booking_id, data.payment_mode, contact)
    except HoldExpired as expired:
        alternatives = await find_alternatives_of_booking(data.booking_id)
        raise HoldExpired(expired.detail, alternatives=to_builtins(alternatives)) from expired
