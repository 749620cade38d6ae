"""The contract of the booking module: what other code sees of its records.

Instants are aware datetimes in UTC; local times of day are `HH:MM` in the staff member's zone; durations and
buffers are minutes; money is an integer of minor units beside a lower-case currency code.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

Metadata = dict[str, Any]


class DepositType(StrEnum):
    """How the deposit of a service is computed."""

    NONE = "none"
    FIXED = "fixed"
    PERCENT = "percent"


class PaymentMode(StrEnum):
    """When the customer pays."""

    PAY_IN_STORE = "pay_in_store"
    DEPOSIT = "deposit"
    FULL = "full"


class RuleType(StrEnum):
    """`recurring` weekly hours, an `exception` that replaces one date's hours, `blocked` time off."""

    RECURRING = "recurring"
    EXCEPTION = "exception"
    BLOCKED = "blocked"


class BookingStatus(StrEnum):
    """Where a booking stands; only `held` (until it expires) and `confirmed` block time."""

    HELD = "held"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    NO_SHOW = "no_show"
    EXPIRED = "expired"


class Service(Struct, frozen=True, kw_only=True):
    """Something that can be booked."""

    id: str
    name: str
    description: str | None
    duration_minutes: int
    buffer_minutes: int
    price: int
    currency_code: str
    deposit_type: DepositType
    deposit_value: int | None
    payment_modes_allowed: list[PaymentMode]
    min_notice_minutes: int
    max_days_ahead: int
    is_active: bool
    metadata: Metadata | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class CreateService(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new service; `deposit_value` is minor units (`fixed`) or whole percent (`percent`)."""

    name: str
    price: int
    duration_minutes: int = 30
    buffer_minutes: int = 0
    description: str | None = None
    currency_code: str = "usd"
    deposit_type: DepositType = DepositType.NONE
    deposit_value: int | None = None
    payment_modes_allowed: list[PaymentMode] = field(default_factory=lambda: [PaymentMode.PAY_IN_STORE])
    min_notice_minutes: int = 0
    max_days_ahead: int = 365
    is_active: bool = True
    metadata: Metadata | None = None


class UpdateService(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to one service; fields left out stay as they are."""

    id: str
    name: str | UnsetType = UNSET
    price: int | UnsetType = UNSET
    duration_minutes: int | UnsetType = UNSET
    buffer_minutes: int | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    currency_code: str | UnsetType = UNSET
    deposit_type: DepositType | UnsetType = UNSET
    deposit_value: int | None | UnsetType = UNSET
    payment_modes_allowed: list[PaymentMode] | UnsetType = UNSET
    min_notice_minutes: int | UnsetType = UNSET
    max_days_ahead: int | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    metadata: Metadata | None | UnsetType = UNSET


class AvailabilityRule(Struct, frozen=True, kw_only=True):
    """Hours of a staff member: weekly, for one date, or time off."""

    id: str
    staff_id: str
    rule_type: RuleType
    day_of_week: int | None
    specific_date: date | None
    start_time: str | None
    end_time: str | None
    is_available: bool
    metadata: Metadata | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class CreateAvailabilityRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new rule: Monday is 0; `start_time` and `end_time` are `HH:MM`, `24:00` allowed as an end."""

    staff_id: str
    rule_type: RuleType = RuleType.RECURRING
    day_of_week: int | None = None
    specific_date: date | None = None
    start_time: str | None = None
    end_time: str | None = None
    is_available: bool = True
    metadata: Metadata | None = None


class UpdateAvailabilityRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to one rule; the rule as it would then stand is checked as a whole."""

    id: str
    rule_type: RuleType | UnsetType = UNSET
    day_of_week: int | None | UnsetType = UNSET
    specific_date: date | None | UnsetType = UNSET
    start_time: str | None | UnsetType = UNSET
    end_time: str | None | UnsetType = UNSET
    is_available: bool | UnsetType = UNSET
    metadata: Metadata | None | UnsetType = UNSET


class Staff(Struct, frozen=True, kw_only=True):
    """A person who renders services, in their own time zone."""

    id: str
    name: str
    email: str | None
    phone: str | None
    bio: str | None
    avatar_url: str | None
    timezone: str
    is_active: bool
    metadata: Metadata | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    availability_rules: list[AvailabilityRule] | UnsetType = UNSET
    bookings: "list[Booking] | UnsetType" = UNSET


class CreateStaff(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new staff member; without `timezone` it is the shop's."""

    name: str
    email: str | None = None
    phone: str | None = None
    bio: str | None = None
    avatar_url: str | None = None
    timezone: str | UnsetType = UNSET
    is_active: bool = True
    metadata: Metadata | None = None


class UpdateStaff(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to one staff member; fields left out stay as they are."""

    id: str
    name: str | UnsetType = UNSET
    email: str | None | UnsetType = UNSET
    phone: str | None | UnsetType = UNSET
    bio: str | None | UnsetType = UNSET
    avatar_url: str | None | UnsetType = UNSET
    timezone: str | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    metadata: Metadata | None | UnsetType = UNSET


class Booking(Struct, frozen=True, kw_only=True):
    """One appointment; price, name, currency and deposit are snapshots taken when it was made.

    `end_at` is the customer's end; `claimed_until` adds the buffer, rounded up to the quarter hour.
    """

    id: str
    display_id: int
    staff_id: str
    service_id: str
    customer_id: str | None
    start_at: datetime
    end_at: datetime
    claimed_until: datetime
    status: BookingStatus
    hold_expires_at: datetime | None
    service_name: str
    price_amount: int
    currency_code: str
    deposit_amount: int | None
    payment_mode: PaymentMode | None
    amount_paid: int | None
    customer_email: str | None
    customer_phone: str | None
    customer_name: str | None
    customer_timezone: str | None
    notes: str | None
    internal_notes: str | None
    confirmed_at: datetime | None
    cancelled_at: datetime | None
    cancel_reason: str | None = None
    completed_at: datetime | None
    version: int
    token_version: int
    metadata: Metadata | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    staff: Staff | UnsetType = UNSET
    service: Service | UnsetType = UNSET


class CreateBooking(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A hold on a slot; `end_at`, where given, must be start plus the service's duration."""

    staff_id: str
    service_id: str
    start_at: datetime
    end_at: datetime | None = None
    customer_id: str | None = None
    customer_email: str | None = None
    customer_phone: str | None = None
    customer_name: str | None = None
    customer_timezone: str | None = None
    notes: str | None = None
    metadata: Metadata | None = None


class Contact(Struct, frozen=True, kw_only=True):
    """How to reach the customer of a booking; what is left out stays as it is."""

    customer_email: str | None = None
    customer_phone: str | None = None
    customer_name: str | None = None


class NewHold(Struct, frozen=True, kw_only=True):
    """A slot to be claimed of a service for one of some staff members, the first of them that is free."""

    service: Service
    staff_ids: list[str]
    start_at: datetime
    customer_id: str | None = None
    customer_email: str | None = None
    customer_phone: str | None = None
    customer_name: str | None = None
    customer_timezone: str | None = None
    notes: str | None = None
    metadata: Metadata | None = None


class SlotQuery(Struct, frozen=True, kw_only=True):
    """Which slots to list: `days` dates from `date` on, of one staff member or of all who offer the service.

    With `timezone` they are dates there, else each staff member's own. With `booking_id` the slots to which that
    booking can move: its own time counts as free, and it keeps its own duration.
    """

    service_id: str
    date: date
    days: int = 1
    staff_id: str | None = None
    timezone: str | None = None
    booking_id: str | None = None


class Slot(Struct, frozen=True, kw_only=True):
    """One start that the rules allow; `staff_ids` are those free then, in ascending order."""

    start_at: datetime
    end_at: datetime
    start_local: datetime
    timezone: str
    available: bool
    staff_ids: list[str]
