"""The tables of this module, and the entities that bind them to Structs."""

from .base import Base
from .booking import BookingTable, SlotClaimTable
from .entities import AVAILABILITY_RULE, BOOKING, SERVICE, STAFF
from .service import ServiceStaffTable, ServiceTable
from .staff import AvailabilityRuleTable, StaffTable

__all__ = [
    "AVAILABILITY_RULE",
    "BOOKING",
    "SERVICE",
    "STAFF",
    "AvailabilityRuleTable",
    "Base",
    "BookingTable",
    "ServiceStaffTable",
    "ServiceTable",
    "SlotClaimTable",
    "StaffTable",
]
