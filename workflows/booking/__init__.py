"""What happens to a booking, from the hold to its end."""

from .cancel_booking import CancelBooking, cancel_booking
from .complete_booking import CompleteBooking, complete_booking
from .confirm_booking import ConfirmBooking, confirm_booking
from .hold_booking_slot import HoldBookingSlot, hold_booking_slot
from .mark_no_show import MarkNoShow, mark_no_show
from .reschedule_booking import RescheduleBooking, reschedule_booking

__all__ = [
    "CancelBooking",
    "CompleteBooking",
    "ConfirmBooking",
    "HoldBookingSlot",
    "MarkNoShow",
    "RescheduleBooking",
    "cancel_booking",
    "complete_booking",
    "confirm_booking",
    "hold_booking_slot",
    "mark_no_show",
    "reschedule_booking",
]
