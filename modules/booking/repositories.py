"""Repositories of what can be booked: each row is checked as a whole, and deletions are guarded."""

from collections.abc import Sequence
from typing import ClassVar, LiteralString, Self, TypeVar

import msgspec
from msgspec import UNSET

from core.db import Transaction
from core.module import Service as ModuleService
from core.repository import CheckedRepository
from core.repository.reader import Host

from .errors import HasBookings
from .models import AVAILABILITY_RULE, SERVICE, STAFF
from .types import (
    AvailabilityRule,
    CreateAvailabilityRule,
    CreateService,
    CreateStaff,
    Service,
    Staff,
    UpdateAvailabilityRule,
    UpdateService,
    UpdateStaff,
)
from .validation import check_service, check_staff
from .working_time import check_rule

S = TypeVar("S", bound=msgspec.Struct)
C = TypeVar("C", bound=msgspec.Struct)
U = TypeVar("U", bound=msgspec.Struct)


class RuleRepository(CheckedRepository[AvailabilityRule, CreateAvailabilityRule, UpdateAvailabilityRule]):
    """Availability rules."""

    def __init__(self) -> None:
        super().__init__(AVAILABILITY_RULE, CreateAvailabilityRule, UpdateAvailabilityRule, check_rule)


class Bookable(CheckedRepository[S, C, U]):
    """Rows that live bookings in the future keep from being deleted."""

    lock_rows: ClassVar[LiteralString]
    future_bookings: ClassVar[LiteralString]

    async def delete(self, ids: Sequence[str]) -> None:
        """Delete rows for good; raise `HasBookings` while they have live bookings in the future."""
        await self._check_deletion(ids)
        await super().delete(ids)

    async def soft_delete(self, ids: Sequence[str]) -> None:
        """Hide rows; raise `HasBookings` while they have live bookings in the future."""
        await self._check_deletion(ids)
        await super().soft_delete(ids)

    async def _check_deletion(self, ids: Sequence[str]) -> Transaction:
        transaction = self.session.writable(f"{self.entity.name}.delete")
        values = {"ids": [self.fields["id"].check(one) for one in ids], "now": self.clock.now()}
        # A hold takes a key-share lock on these rows, so none can slip in between this look and the deletion.
        await transaction.sql(self.lock_rows, values)
        found = [id for (id,) in await transaction.sql(self.future_bookings, values)]
        if found:
            raise HasBookings(f"{len(found)} live bookings stand against it", booking_ids=found)
        return transaction


class ServiceRepository(Bookable[Service, CreateService, UpdateService]):
    """Services."""

    lock_rows = "SELECT FROM booking_service WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE"
    future_bookings = """
        SELECT id FROM booking WHERE service_id = ANY(%(ids)s) AND end_at > %(now)s AND deleted_at IS NULL
            AND (status = 'confirmed' OR status = 'held' AND hold_expires_at > %(now)s) ORDER BY start_at, id"""

    def __init__(self) -> None:
        super().__init__(SERVICE, CreateService, UpdateService, check_service)


class StaffRepository(Bookable[Staff, CreateStaff, UpdateStaff]):
    """Staff; without a time zone of their own they live in the shop's. Their rules go and come back with them."""

    lock_rows = "SELECT FROM booking_staff WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE"
    future_bookings = """
        SELECT id FROM booking WHERE staff_id = ANY(%(ids)s) AND end_at > %(now)s AND deleted_at IS NULL
            AND start_at > %(now)s - interval '1 day'
            AND (status = 'confirmed' OR status = 'held' AND hold_expires_at > %(now)s) ORDER BY start_at, id"""
    hide_rules: LiteralString = """
        UPDATE booking_availability_rule rule SET deleted_at = staff.deleted_at, updated_at = staff.deleted_at
        FROM booking_staff staff WHERE staff.id = rule.staff_id AND staff.id = ANY(%(ids)s)
            AND rule.deleted_at IS NULL"""
    show_rules: LiteralString = """
        UPDATE booking_availability_rule rule SET deleted_at = NULL, updated_at = %(now)s
        FROM booking_staff staff WHERE staff.id = rule.staff_id AND staff.id = ANY(%(ids)s)
            AND rule.deleted_at = staff.deleted_at"""

    def __init__(self) -> None:
        super().__init__(STAFF, CreateStaff, UpdateStaff, check_staff)
        self._timezone = "UTC"

    def __get__(self, host: Host | None, owner: type[object]) -> Self:
        """Return this repository on the session of the service, with the shop's time zone as default."""
        bound = super().__get__(host, owner)
        if isinstance(host, ModuleService):
            bound._timezone = host.scope.config.shop.timezone
        return bound

    async def create(self, data: Sequence[CreateStaff]) -> list[Staff]:
        """Insert staff members; raise `InvalidData` for an unknown time zone."""
        here = self._timezone
        return await super().create(
            [one if one.timezone is not UNSET else msgspec.structs.replace(one, timezone=here) for one in data]
        )

    async def soft_delete(self, ids: Sequence[str]) -> None:
        """Hide staff members and their rules; raise `HasBookings` while they have live bookings in the future."""
        await super().soft_delete(ids)
        await self.session.writable("staff.soft_delete").sql(self.hide_rules, {"ids": list(ids)})

    async def restore(self, ids: Sequence[str]) -> None:
        """Show soft-deleted staff members again, with the rules that went with them."""
        transaction = self.session.writable("staff.restore")
        await transaction.sql(self.show_rules, {"ids": list(ids), "now": self.clock.now()})
        await super().restore(ids)
