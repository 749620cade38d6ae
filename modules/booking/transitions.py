"""From one status to the next: the states table, row by row."""

from datetime import datetime

from msgspec.structs import asdict

from .changes import Changes
from .claims import keep_claims, release_claims
from .errors import ContactRequired, HoldExpired, InvalidState, PaymentModeNotAllowed
from .offers import service_of
from .state import status_at
from .types import Booking, BookingStatus, Contact, PaymentMode


class Transitions(Changes):
    """Confirms, cancels and closes bookings. Asked for what is already so, each answers with the booking as it is."""

    async def confirm(self, booking_id: str, payment_mode: PaymentMode, contact: Contact | None = None) -> Booking:
        """Confirm a live hold, paid in the shop.

        Raises `HoldExpired`, `InvalidState`, `PaymentModeNotAllowed`, `ContactRequired`, `NotFound`.
        """
        transaction = await self._writing("confirm")
        booking = await self._lock(booking_id)
        match status_at(booking, self.clock.now()):
            # Before any check: the answer to the first request may have been lost on the way.
            case BookingStatus.CONFIRMED if booking.payment_mode == payment_mode:
                return booking
            case BookingStatus.EXPIRED:
                raise HoldExpired
            case BookingStatus.HELD:
                pass
            case status:
                raise _refused(status, "confirmed so")
        _check_payment_mode(booking, payment_mode)
        reached = self._reached_by(booking, contact or Contact())
        # The row alone does not decide: a process whose clock is ahead may have given the time to another booking.
        if not await keep_claims(transaction, booking, None):
            raise HoldExpired
        return await self._change(
            booking,
            status=BookingStatus.CONFIRMED,
            hold_expires_at=None,
            payment_mode=payment_mode,
            confirmed_at=self.clock.now(),
            **reached,
        )

    async def unconfirm(self, booking_id: str, *, version: int, hold_expires_at: datetime) -> None:
        """Make a confirmed booking the hold again that it was, unless it has changed since that version."""
        transaction = await self._writing("unconfirm")
        booking = await self._lock(booking_id)
        if booking.status is not BookingStatus.CONFIRMED or booking.version != version:
            return
        # Nobody can have taken them: claims of a confirmed booking do not expire.
        await keep_claims(transaction, booking, hold_expires_at)
        await self._change(
            booking,
            status=BookingStatus.HELD,
            hold_expires_at=hold_expires_at,
            payment_mode=None,
            confirmed_at=None,
        )

    async def cancel(self, booking_id: str, reason: str | None = None, *, allow_started: bool = False) -> Booking:
        """Cancel a live hold or a confirmed booking, and free its time.

        Raises `HoldExpired`, `InvalidState` (also once it has started, unless `allow_started`), `NotFound`.
        """
        transaction = await self._writing("cancel")
        booking, now = await self._lock(booking_id), self.clock.now()
        match status_at(booking, now):
            case BookingStatus.CANCELLED:
                return booking
            case BookingStatus.EXPIRED:
                raise HoldExpired
            case BookingStatus.CONFIRMED if booking.start_at <= now and not allow_started:
                raise InvalidState("the booking has started")
            case BookingStatus.HELD | BookingStatus.CONFIRMED:
                pass
            case status:
                raise _refused(status, "cancelled")
        await release_claims(transaction, [booking.id])
        return await self._change(
            booking,
            status=BookingStatus.CANCELLED,
            hold_expires_at=None,
            cancelled_at=now,
            cancel_reason=self._text("cancel_reason", reason),
        )

    async def complete(self, booking_id: str) -> Booking:
        """Record that the service was rendered; raise `InvalidState` unless the booking is confirmed."""
        return await self._close(booking_id, BookingStatus.COMPLETED)

    async def mark_no_show(self, booking_id: str) -> Booking:
        """Record that the customer did not come; raise `InvalidState` unless the booking is confirmed."""
        return await self._close(booking_id, BookingStatus.NO_SHOW)

    async def _close(self, booking_id: str, outcome: BookingStatus) -> Booking:
        transaction = await self._writing(outcome)
        booking, now = await self._lock(booking_id), self.clock.now()
        match status_at(booking, now):
            case status if status is outcome:
                return booking
            case BookingStatus.CONFIRMED:
                pass
            case status:
                raise _refused(status, outcome.replace("_", "-"))
        # Only what is live owns claims; closed early, the rest of the time can be booked again.
        await release_claims(transaction, [booking.id])
        completed_at = now if outcome is BookingStatus.COMPLETED else None
        return await self._change(booking, status=outcome, completed_at=completed_at)

    def _reached_by(self, booking: Booking, contact: Contact) -> dict[str, str | None]:
        """Return the contact that the booking then has; raise `ContactRequired` if nobody could be reached."""
        given = {name: self._text(name, text) for name, text in asdict(contact).items() if text is not None}
        reached: dict[str, str | None] = {"customer_email": booking.customer_email} | given
        if not (reached["customer_email"] or given.get("customer_phone", booking.customer_phone)):
            raise ContactRequired
        return reached


def _check_payment_mode(booking: Booking, payment_mode: PaymentMode) -> None:
    allowed = service_of(booking).payment_modes_allowed
    if payment_mode != PaymentMode.PAY_IN_STORE or payment_mode not in allowed:
        raise PaymentModeNotAllowed(f"{booking.service_name} cannot be paid by {payment_mode}")


def _refused(status: BookingStatus, what: str) -> InvalidState:
    return InvalidState(f"a booking that is {status.replace('_', '-')} cannot be {what}", status=status)
