"""What the store's routes answer about bookings."""

from msgspec import Struct

from core.container import Scope

from ..views import BookingView


class HeldBooking(Struct, frozen=True, kw_only=True):
    """The held booking, and the token with which a guest confirms, sees, moves and cancels it."""

    booking: BookingView
    manage_token: str


class OneBooking(Struct, frozen=True, kw_only=True):
    """One booking."""

    booking: BookingView


class ConfirmedBooking(Struct, frozen=True, kw_only=True):
    """The confirmed booking; paid in store, it has neither a cart nor an order."""

    booking: BookingView
    cart: None = None
    order: None = None


class CancelledBooking(Struct, frozen=True, kw_only=True):
    """The cancelled booking; `refund` is null where nothing was paid."""

    booking: BookingView
    refund: None = None


class BookingPage(Struct, frozen=True, kw_only=True):
    """One page of bookings."""

    bookings: list[BookingView]
    count: int
    limit: int
    offset: int


def replayed(container: Scope) -> dict[str, str]:
    """Return the header that says that this is the first answer again, if it is."""
    return {"Idempotency-Replayed": "true"} if container.replayed else {}
