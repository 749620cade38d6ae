"""What every change of a booking goes through: a transaction that does not wait long, the row's lock, the update."""

from enum import StrEnum
from typing import Any

from sqlalchemy import Text, literal_column, update

from core.db import Transaction

from .claims import LOCK, SHORT_WAIT
from .errors import InvalidState
from .models import BookingTable
from .offers import Offers
from .records import is_id
from .state import VIEW, decode_booking, no_booking
from .types import Booking


class Changes(Offers):
    """Locks and updates booking rows."""

    _limited: tuple[Transaction, int] | None = None
    """The transaction whose waiting is limited already, and how many savepoints it had rolled back by then."""

    async def _writing(self, method: str) -> Transaction:
        """Return the open transaction, in which no statement now waits for a lock longer than 2 s."""
        transaction = self.session.writable(f"booking.{method}")
        # A savepoint that is rolled back may take the limit with it.
        if self._limited != (transaction, transaction.undone):
            await transaction.set_local(SHORT_WAIT)
            self._limited = (transaction, transaction.undone)
        return transaction

    async def _find_locked(self, booking_id: str) -> Booking | None:
        """Lock a booking's row and return it as it stands then; expired ones too, also once swept."""
        transaction = self.session.writable("booking")
        rows = await transaction.sql(LOCK, {"id": booking_id}) if is_id(booking_id) else []
        return decode_booking(rows[0][0]) if rows else None

    async def lock_booking(self, booking_id: str) -> Booking:
        """Lock a booking's row until the transaction ends and return it; expired holds too, swept or not."""
        await self._writing("lock_booking")
        return await self._lock(booking_id)

    async def _lock(self, booking_id: str) -> Booking:
        """Lock a booking's row and return it; raise `NotFound` if there is none."""
        booking = await self._find_locked(booking_id)
        if booking is None:
            raise no_booking(booking_id)
        return booking

    async def _change(self, booking: Booking, **changes: Any) -> Booking:
        """Update a locked row that still is in the state it was read in, and return it anew."""
        # The lock makes the question for the status needless; should a caller forget it, nothing is overwritten unseen.
        values = {name: value.value if isinstance(value, StrEnum) else value for name, value in changes.items()}
        statement = (
            update(BookingTable)
            .where(BookingTable.id == booking.id, BookingTable.status == booking.status.value)
            .values(updated_at=self.clock.now(), version=BookingTable.version + 1, **values)
            .returning(literal_column(VIEW, Text))
        )
        view = (await self.session.writable("booking").execute(statement)).scalar_one_or_none()
        if view is None:
            raise InvalidState(f"booking {booking.id} has changed meanwhile")
        return decode_booking(view)

    def _text(self, field: str, text: str | None) -> str | None:
        """Return a text that PostgreSQL can store; raise `InvalidData`, naming the field, for another."""
        return None if text is None else self.bookings.fields[field].check(text)
