"""The demo shop."""

from datetime import date, timedelta

import pytest

from core.app import Application
from core.container import Scope
from core.testing import move_clock
from modules.booking import BookingService, BookingStatus, DepositType, RuleType, SlotQuery, booking
from modules.booking.demo import load_demo

DAYS = timedelta(days=1)
MOMENTS = [(None, days) for days in range(7)] + [(1, days) for days in range(-11, 2)]
"""Days from today, which are all weekdays, and from the first of January, which is a holiday."""


async def open_on(application: Application, scope: Scope, month: int | None, days: int) -> BookingService:
    """Load the demo some days from today, or from the first of that month of the next year."""
    today = application.clock.now().date()
    since = date(today.year + 1, month, 1) if month else today
    await move_clock(application, since - today + days * DAYS)
    await load_demo(scope)
    return scope.resolve(BookingService)


async def test_the_demo_shop_has_something_of_everything(scope: Scope) -> None:
    await load_demo(scope)
    service = scope.resolve(BookingService)
    services, staff = await service.services.list(), await service.staff.list()
    rules, bookings = await service.availability_rules.list(), await service.bookings.list()
    assert len(services) == 8
    assert len({one.timezone for one in staff}) == 2
    assert len(staff) == 4
    assert {one.deposit_type for one in services} == set(DepositType)
    assert len({one.currency_code for one in services}) == 2
    assert sum(not one.is_active for one in services) == 1
    assert sum([bool(await service.staff_of_service(one.id)) for one in services]) == 2
    assert (min(one.duration_minutes for one in services), max(one.duration_minutes for one in services)) == (15, 120)
    assert {one.rule_type for one in rules} == set(RuleType)
    assert {one.status for one in bookings} == {BookingStatus.HELD, BookingStatus.CONFIRMED}
    assert [sentence for check in booking.checks.values() for sentence in await check(scope)] == []


@pytest.mark.parametrize(("month", "days"), [(None, 0), (None, 3), (1, -6), (1, -1)])
async def test_every_active_service_can_be_booked_within_a_week(
    application: Application, scope: Scope, month: int | None, days: int
) -> None:
    service = await open_on(application, scope, month, days)
    today = scope.clock.now().date()
    for one in await service.services.list({"is_active": True}):
        slots = await service.slots(SlotQuery(service_id=one.id, date=today, days=7))
        assert any(slot.available for slot in slots), one.name


@pytest.mark.parametrize(("month", "days"), MOMENTS)
async def test_everybody_works_five_days_of_any_week(
    application: Application, scope: Scope, month: int | None, days: int
) -> None:
    service = await open_on(application, scope, month, days)
    today = scope.clock.now().date()
    [trim] = await service.services.list({"name": "Beard trim"})
    for person in await service.staff.list():
        slots = await service.slots(SlotQuery(service_id=trim.id, staff_id=person.id, date=today + DAYS, days=21))
        worked = {slot.start_local.date() for slot in slots}
        weeks = [{today + (first + day) * DAYS for day in range(7)} for first in range(1, 16)]
        assert min(len(worked & week) for week in weeks) >= 5, person.name


@pytest.mark.parametrize(("month", "days"), MOMENTS)
async def test_its_bookings_lie_in_working_time_whatever_the_day(
    application: Application, scope: Scope, month: int | None, days: int
) -> None:
    service = await open_on(application, scope, month, days)
    for made in await service.bookings.list():
        slots = await service.slots(
            SlotQuery(
                service_id=made.service_id,
                staff_id=made.staff_id,
                date=made.start_at.date() - timedelta(days=1),
                days=3,
                booking_id=made.id,
            )
        )
        assert made.start_at in [slot.start_at for slot in slots if slot.available]
