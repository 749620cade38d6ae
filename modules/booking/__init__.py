"""Appointments: services, staff, hours, holds and bookings, without double bookings."""

from core.module import Module

from .checks import CHECKS
from .demo import load_demo
from .errors import (
    AmbiguousLocalTime,
    ContactRequired,
    HasBookings,
    HoldExpired,
    InPast,
    InvalidState,
    NonexistentLocalTime,
    OffGrid,
    PaymentModeNotAllowed,
    RangeTooLarge,
    SlotUnavailable,
    TooFarAhead,
    TooSoon,
    VersionMismatch,
)
from .events import BookingEvent
from .local_time import local_to_instant
from .manage_tokens import manage_token, manages
from .models import AVAILABILITY_RULE, BOOKING, SERVICE, STAFF
from .service import BookingService
from .state import status_at
from .types import (
    AvailabilityRule,
    Booking,
    BookingStatus,
    Contact,
    CreateAvailabilityRule,
    CreateBooking,
    CreateService,
    CreateStaff,
    DepositType,
    NewHold,
    PaymentMode,
    RuleType,
    Service,
    Slot,
    SlotQuery,
    Staff,
    UpdateAvailabilityRule,
    UpdateService,
    UpdateStaff,
)
from .validation import zone_of

booking = Module(
    "booking",
    service=BookingService,
    entities=[BOOKING, SERVICE, STAFF, AVAILABILITY_RULE],
    checks=CHECKS,
    demo=load_demo,
)

__all__ = [
    "AVAILABILITY_RULE",
    "BOOKING",
    "SERVICE",
    "STAFF",
    "AmbiguousLocalTime",
    "AvailabilityRule",
    "Booking",
    "BookingEvent",
    "BookingService",
    "BookingStatus",
    "Contact",
    "ContactRequired",
    "CreateAvailabilityRule",
    "CreateBooking",
    "CreateService",
    "CreateStaff",
    "DepositType",
    "HasBookings",
    "HoldExpired",
    "InPast",
    "InvalidState",
    "NewHold",
    "NonexistentLocalTime",
    "OffGrid",
    "PaymentMode",
    "PaymentModeNotAllowed",
    "RangeTooLarge",
    "RuleType",
    "Service",
    "Slot",
    "SlotQuery",
    "SlotUnavailable",
    "Staff",
    "TooFarAhead",
    "TooSoon",
    "UpdateAvailabilityRule",
    "UpdateService",
    "UpdateStaff",
    "VersionMismatch",
    "booking",
    "local_to_instant",
    "manage_token",
    "manages",
    "status_at",
    "zone_of",
]
