"""The demo shop."""

from datetime import timedelta

import pytest

from core.app import Application
from core.container import Scope
from core.testing import move_clock
from modules.booking import BookingService, BookingStatus, DepositType, RuleType, SlotQuery, booking
from modules.booking.demo import load_demo


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


@pytest.mark.parametrize("days", [0, 3, 36, 40])
async def test_every_active_service_can_be_booked_within_a_week(
    application: Application, scope: Scope, days: int
) -> None:
    await move_clock(application, timedelta(days=days))
    await load_demo(scope)
    service = scope.resolve(BookingService)
    today = scope.clock.now().date()
    for one in await service.services.list({"is_active": True}):
        slots = await service.slots(SlotQuery(service_id=one.id, date=today, days=7))
        assert any(slot.available for slot in slots), one.name


@pytest.mark.parametrize("days", [*range(7), *range(36, 43)])
async def test_its_bookings_lie_in_working_time_whatever_the_day(
    application: Application, scope: Scope, days: int
) -> None:
    await move_clock(application, timedelta(days=days))
    await load_demo(scope)
    service = scope.resolve(BookingService)
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
