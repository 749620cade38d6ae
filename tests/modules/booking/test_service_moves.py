"""Rescheduling, on a real database."""

from datetime import UTC, datetime, timedelta

import pytest

from core.app import Application
from core.container import Scope
from core.errors import InvalidData, NotFound
from core.testing import move_clock
from modules.booking import (
    BookingService,
    InPast,
    OffGrid,
    SlotUnavailable,
    TooFarAhead,
    TooSoon,
    UpdateService,
    UpdateStaff,
)

from .shop import Shop, at, claims_of, confirmed, hold


async def test_a_move_frees_the_old_time(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    booking = await confirmed(scope, shop, at(10))
    async with scope.transaction():
        moved = await bookings.reschedule(booking.id, at(12), customer_timezone="Asia/Tokyo")
    assert (moved.start_at, moved.end_at, moved.claimed_until) == (at(12), at(12, 30), at(12, 30))
    assert (moved.version, moved.customer_timezone) == (booking.version + 1, "Asia/Tokyo")
    assert moved.staff == shop.ann
    await hold(scope, shop, at(10))
    with pytest.raises(SlotUnavailable):
        await hold(scope, shop, at(12))


async def test_a_move_to_an_unknown_time_zone_of_the_customer_is_refused(
    scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    booking = await confirmed(scope, shop, at(10))
    with pytest.raises(InvalidData):
        async with scope.transaction():
            await bookings.reschedule(booking.id, at(12), customer_timezone="Mars/Olympus")


async def test_a_move_may_overlap_its_own_old_time(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    booking = await confirmed(scope, shop, at(10))
    async with scope.transaction():
        moved = await bookings.reschedule(booking.id, at(10, 15))
    assert moved.start_at == at(10, 15)
    assert await claims_of(scope, booking.id) == 2


async def test_a_move_to_other_staff_frees_the_first(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    booking = await confirmed(scope, shop, at(10))
    async with scope.transaction():
        moved = await bookings.reschedule(booking.id, at(10), staff_id=shop.bob.id)
    assert moved.staff == shop.bob
    await hold(scope, shop, at(10))


async def test_onto_itself_nothing_is_checked_or_changed(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    booking = await confirmed(scope, shop, at(20))  # outside of working hours
    async with scope.transaction():
        assert await bookings.reschedule(booking.id, at(20)) == booking
    async with scope.transaction():
        assert await bookings.reschedule(booking.id, at(20), staff_id=shop.ann.id) == booking


async def test_a_move_keeps_duration_and_claims_of_its_own(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    booking = await confirmed(scope, shop, at(10))
    async with scope.transaction():
        await bookings.services.update(
            [UpdateService(id=shop.haircut.id, duration_minutes=90, buffer_minutes=30, is_active=False)]
        )
        moved = await bookings.reschedule(booking.id, at(16, 30))
    assert moved.end_at == at(17)
    assert await claims_of(scope, booking.id) == 2


async def test_a_taken_time_is_refused_and_the_booking_stays(
    scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    await hold(scope, shop, at(12))
    booking = await confirmed(scope, shop, at(10))
    for ignore_hours in (False, True):
        with pytest.raises(SlotUnavailable):
            async with scope.transaction():
                await bookings.reschedule(booking.id, at(11, 45), ignore_hours=ignore_hours)
    assert await bookings.get_booking(booking.id) == booking
    assert await claims_of(scope, booking.id) == 2


@pytest.mark.parametrize(
    ("start_at", "error"),
    [
        (at(10, 7), OffGrid),
        (at(10, days=-1), InPast),
        (at(10, days=400), TooFarAhead),
        (at(20), SlotUnavailable),
        (at(16, 45), SlotUnavailable),
        (datetime(1, 1, 1, tzinfo=UTC), InPast),
        (datetime(9999, 12, 31, 23, 45, tzinfo=UTC), TooFarAhead),
        (datetime(2100, 1, 1), InvalidData),
    ],
)
async def test_the_rules_hold_for_a_move(
    scope: Scope, shop: Shop, bookings: BookingService, start_at: datetime, error: type[Exception]
) -> None:
    booking = await confirmed(scope, shop, at(10))
    with pytest.raises(error):
        async with scope.transaction():
            await bookings.reschedule(booking.id, start_at)


async def test_the_notice_holds_for_a_move(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    booking = await confirmed(scope, shop, at(10))
    async with scope.transaction():
        await bookings.services.update([UpdateService(id=shop.haircut.id, min_notice_minutes=3 * 1440)])
    with pytest.raises(TooSoon):
        async with scope.transaction():
            await bookings.reschedule(booking.id, at(10, days=2))


async def test_the_shop_may_move_outside_hours_notice_and_horizon_but_stays_on_the_grid(
    scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    booking = await confirmed(scope, shop, at(10))
    async with scope.transaction():
        moved = await bookings.reschedule(booking.id, at(20, days=400), ignore_hours=True)
    assert moved.start_at == at(20, days=400)
    for start_at, error in ((at(20, 7), OffGrid), (datetime(9999, 12, 31, 23, 45, tzinfo=UTC), TooFarAhead)):
        with pytest.raises(error):
            async with scope.transaction():
                await bookings.reschedule(booking.id, start_at, ignore_hours=True)


async def test_a_booking_cannot_move_to_staff_who_is_unknown_inactive_or_does_not_offer_it(
    scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    booking = await confirmed(scope, shop, at(10))
    async with scope.transaction():
        await bookings.set_service_staff(shop.haircut.id, [shop.ann.id])
    for staff_id in (shop.bob.id, "bkstf_unknown", "\0"):
        for ignore_hours in (False, True):
            with pytest.raises(NotFound):
                async with scope.transaction():
                    await bookings.reschedule(booking.id, at(12), staff_id=staff_id, ignore_hours=ignore_hours)


async def test_the_staff_of_a_booking_being_inactive_leaves_no_time_with_them(
    scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    booking = await confirmed(scope, shop, at(10))
    async with scope.transaction():
        await bookings.staff.update([UpdateStaff(id=shop.ann.id, is_active=False)])
    with pytest.raises(SlotUnavailable):
        async with scope.transaction():
            await bookings.reschedule(booking.id, at(12))
    async with scope.transaction():
        assert (await bookings.reschedule(booking.id, at(12), staff_id=shop.bob.id)).staff_id == shop.bob.id


async def test_the_earliest_start_ever_is_kept(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    booking = await confirmed(scope, shop, at(10))
    for start_at in (at(9), at(15)):
        async with scope.transaction():
            await bookings.reschedule(booking.id, start_at)
    assert await scope.session.sql("SELECT first_start_at FROM booking") == [(at(9),)]


async def test_an_expired_hold_in_the_way_is_taken_over(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    booking = await confirmed(scope, shop, at(10))
    in_the_way = await hold(scope, shop, at(12))
    await move_clock(application, timedelta(minutes=11))
    async with scope.transaction():
        await bookings.reschedule(booking.id, at(12, 15))
    assert (await claims_of(scope, booking.id), await claims_of(scope, in_the_way.id)) == (2, 1)


async def test_a_move_can_be_taken_back(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    booking = await confirmed(scope, shop, at(10))
    async with scope.transaction():
        moved = await bookings.reschedule(booking.id, at(12), staff_id=shop.bob.id)
    for version in (moved.version - 1, moved.version):
        async with scope.transaction():
            await bookings.move_back(booking.id, version=version, staff_id=shop.ann.id, start_at=at(10))
        here = await bookings.get_booking(booking.id)
        assert (here.staff_id, here.start_at) == (
            (shop.ann.id, at(10)) if version == moved.version else (shop.bob.id, at(12))
        )
