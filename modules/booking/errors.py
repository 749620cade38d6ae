"""What can go wrong with a booking; each class is one stable code of the HTTP contract."""

from core.errors import HoldfastError


class SlotUnavailable(HoldfastError):
    """That time is not available. `alternatives` in the data are other slots."""

    code = "slot_unavailable"
    status = 409
    title = "Slot not available"


class HoldExpired(HoldfastError):
    """The hold on this slot has run out."""

    code = "hold_expired"
    status = 409


class InvalidState(HoldfastError):
    """The booking's state does not allow that."""

    code = "invalid_state"
    status = 409


class HasBookings(HoldfastError):
    """Live bookings in the future stand against the deletion; `booking_ids` in the data names them."""

    code = "has_bookings"
    status = 409


class VersionMismatch(HoldfastError):
    """The booking has been changed since it was read."""

    code = "version_mismatch"
    status = 412


class OffGrid(HoldfastError):
    """Bookings start on the quarter hour."""

    code = "off_grid"
    status = 422


class InPast(HoldfastError):
    """That time is past."""

    code = "in_past"
    status = 422


class TooSoon(HoldfastError):
    """That time is closer than the service's minimum notice."""

    code = "too_soon"
    status = 422


class TooFarAhead(HoldfastError):
    """That time is beyond the days that the service may be booked ahead."""

    code = "too_far_ahead"
    status = 422


class NonexistentLocalTime(HoldfastError):
    """The clocks skip that local time."""

    code = "nonexistent_local_time"
    status = 422


class AmbiguousLocalTime(HoldfastError):
    """That local time happens twice; send it with an offset."""

    code = "ambiguous_local_time"
    status = 422


class ContactRequired(HoldfastError):
    """A booking needs an e-mail address or a phone number to be confirmed."""

    code = "contact_required"
    status = 422


class PaymentModeNotAllowed(HoldfastError):
    """The service cannot be paid in that way."""

    code = "payment_mode_not_allowed"
    status = 422


class RangeTooLarge(HoldfastError):
    """More days were asked for than one answer holds."""

    code = "range_too_large"
    status = 422
