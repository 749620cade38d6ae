"""The entities: tables bound to the Structs that others see."""

from core.entity import belongs_to, has_many
from core.module import Entity

from ..types import (
    AvailabilityRule,
    Booking,
    CreateAvailabilityRule,
    CreateService,
    CreateStaff,
    Service,
    Staff,
    UpdateAvailabilityRule,
    UpdateService,
    UpdateStaff,
)
from .booking import BookingTable
from .service import ServiceTable
from .staff import AvailabilityRuleTable, StaffTable

STAFF = Entity(
    "staff",
    table=StaffTable,
    struct=Staff,
    create=CreateStaff,
    update=UpdateStaff,
    id_prefix="bkstf",
    relations={
        "availability_rules": has_many("availability_rule", by="staff_id"),
        "bookings": has_many("booking", by="staff_id"),
    },
    searchable=("name",),
)
SERVICE = Entity(
    "service",
    table=ServiceTable,
    struct=Service,
    create=CreateService,
    update=UpdateService,
    id_prefix="bksvc",
    searchable=("name",),
)
AVAILABILITY_RULE = Entity(
    "availability_rule",
    table=AvailabilityRuleTable,
    struct=AvailabilityRule,
    create=CreateAvailabilityRule,
    update=UpdateAvailabilityRule,
    id_prefix="bkavl",
)
BOOKING = Entity(
    "booking",
    table=BookingTable,
    struct=Booking,
    id_prefix="book",
    relations={"staff": belongs_to("staff", by="staff_id"), "service": belongs_to("service", by="service_id")},
    searchable=("customer_name", "customer_email", "customer_phone"),
)
