"""What answers hold: the records of the modules as storefronts see them."""

from datetime import datetime, timedelta, timezone
from typing import Any, Self
from zoneinfo import ZoneInfo

from msgspec import UNSET, Struct, UnsetType

from core.errors import InvalidData
from modules.booking import Booking, BookingStatus, DepositType, PaymentMode

Metadata = dict[str, Any]


class ServiceView(Struct, frozen=True, kw_only=True):
    """A service that can be booked; durations are minutes, `price` is minor units. Has the fields asked for."""

    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    duration_minutes: int | UnsetType = UNSET
    buffer_minutes: int | UnsetType = UNSET
    price: int | UnsetType = UNSET
    currency_code: str | UnsetType = UNSET
    deposit_type: DepositType | UnsetType = UNSET
    deposit_value: int | None | UnsetType = UNSET
    payment_modes_allowed: list[PaymentMode] | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    metadata: Metadata | None | UnsetType = UNSET
    created_at: datetime | UnsetType = UNSET
    updated_at: datetime | UnsetType = UNSET
    deleted_at: datetime | None | UnsetType = UNSET


class StaffView(Struct, frozen=True, kw_only=True):
    """A person who renders services. Has the fields asked for."""

    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    bio: str | None | UnsetType = UNSET
    avatar_url: str | None | UnsetType = UNSET
    timezone: str | UnsetType = UNSET


class Named(Struct, frozen=True, kw_only=True):
    """An id and the name to show for it."""

    id: str
    name: str


class BookingView(Struct, frozen=True, kw_only=True):
    """A booking: instants in UTC, `start_local` in the staff member's `timezone`, money in minor units."""

    id: str
    display_id: int
    staff_id: str
    service_id: str
    customer_id: str | None
    start_at: datetime
    end_at: datetime
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
    confirmed_at: datetime | None
    cancelled_at: datetime | None
    completed_at: datetime | None
    metadata: Metadata | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    version: int
    timezone: str
    start_local: datetime
    amount_due: int
    staff: Named
    service: Named

    @classmethod
    def of(cls, booking: Booking) -> Self:
        """Show a booking whose staff and service are loaded."""
        staff, service = booking.staff, booking.service
        if staff is UNSET or service is UNSET:
            raise InvalidData("the booking was read without its staff and service")
        return cls(
            **{name: getattr(booking, name) for name in _BOOKING_COLUMNS},
            timezone=staff.timezone,
            start_local=local(booking.start_at, staff.timezone),
            amount_due=amount_due(booking),
            staff=Named(id=staff.id, name=staff.name),
            service=Named(id=service.id, name=service.name),
        )


_BOOKING_COLUMNS = tuple(
    name
    for name in BookingView.__struct_fields__
    if name in Booking.__struct_fields__ and name not in ("staff", "service")
)


def amount_due(booking: Booking) -> int:
    """Return what is left to pay for the booking; nothing once it is cancelled."""
    if booking.status == BookingStatus.CANCELLED:
        return 0
    return booking.price_amount - (booking.amount_paid or 0)


def local(at: datetime, timezone_name: str) -> datetime:
    """Return the instant as clocks in that zone show it; the fixed offset survives the hour that happens twice."""
    shown = at.astimezone(ZoneInfo(timezone_name))
    return shown.replace(tzinfo=timezone(shown.utcoffset() or timedelta()))
