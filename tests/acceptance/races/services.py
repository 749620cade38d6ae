"""Booking services that a race is run with: one with short holds, and others that are broken on purpose."""

import random
from datetime import timedelta
from typing import Any, LiteralString

from modules.booking import Booking, BookingService, BookingStatus, Contact, HoldExpired, NewHold, PaymentMode
from modules.booking.errors import SlotUnavailable
from modules.booking.state import VIEW, decode_booking, status_at

SHORTEST_MS, LONGEST_MS = 20, 500

OVERLAPPING: LiteralString = """
SELECT id FROM booking WHERE staff_id = %(staff_id)s AND deleted_at IS NULL
    AND (status = 'confirmed' OR status = 'held' AND hold_expires_at > %(now)s)
    AND start_at < %(claimed_until)s AND claimed_until > %(start_at)s FOR UPDATE"""
INSERT: LiteralString = f"""
INSERT INTO booking (id, staff_id, service_id, start_at, end_at, claimed_until, first_start_at, hold_expires_at,
    service_name, price_amount, currency_code, customer_email, created_at, updated_at)
VALUES (%(id)s, %(staff_id)s, %(service_id)s, %(start_at)s, %(end_at)s, %(claimed_until)s, %(start_at)s,
    %(hold_expires_at)s, %(service_name)s, %(price_amount)s, %(currency_code)s, %(customer_email)s, %(now)s, %(now)s)
RETURNING {VIEW}"""
CLAIMS_FIRST: LiteralString = "SELECT FROM slot_claim WHERE booking_id = %s ORDER BY resource_id, q FOR UPDATE"


class ShortHolds(BookingService):
    """Holds that last from 20 to 500 ms."""

    def _values(self, hold: NewHold) -> dict[str, Any]:
        lasts = timedelta(milliseconds=random.randint(SHORTEST_MS, LONGEST_MS))
        values = super()._values(hold)
        return values | {"hold_expires_at": values["now"] + lasts}


class WithoutClaims(BookingService):
    """Locks the bookings that overlap, of which there are none, and then books."""

    async def create_held(self, hold: NewHold) -> Booking:
        """Hold a slot unless a booking overlaps."""
        transaction = await self._writing("create_held")
        for staff_id in hold.staff_ids:
            values = self._values(hold) | {"staff_id": staff_id}
            if not await transaction.sql(OVERLAPPING, values):
                [(view,)] = await transaction.sql(INSERT, values)
                return decode_booking(view)
        raise SlotUnavailable

    async def confirm(self, booking_id: str, payment_mode: PaymentMode, contact: Contact | None = None) -> Booking:
        """Confirm a live hold, whatever it claims."""
        await self._writing("confirm")
        booking = await self._lock(booking_id)
        if status_at(booking, self.clock.now()) is not BookingStatus.HELD:
            raise HoldExpired
        changes = {"status": BookingStatus.CONFIRMED, "payment_mode": payment_mode, "hold_expires_at": None}
        return await self._change(booking, confirmed_at=self.clock.now(), **changes)


class ShortHoldsClaimsFirst(ShortHolds):
    """Locks the claims of a booking before its row where a workflow locks it first."""

    async def lock_booking(self, booking_id: str) -> Booking:
        """Lock claims, then row."""
        transaction = await self._writing("lock_booking")
        await transaction.sql(CLAIMS_FIRST, [booking_id])
        return await super().lock_booking(booking_id)
