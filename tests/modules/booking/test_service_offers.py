"""Slots, free staff and alternatives, on a real database."""

from datetime import UTC, datetime, timedelta

import pytest

from core.app import Application
from core.container import Scope
from core.errors import InvalidData, NotFound
from core.testing import move_clock
from modules.booking import (
    BookingService,
    CreateAvailabilityRule,
    CreateBooking,
    CreateService,
    CreateStaff,
    InPast,
    OffGrid,
    RangeTooLarge,
    RuleType,
    SlotQuery,
    SlotUnavailable,
    TooFarAhead,
    TooSoon,
    UpdateService,
    UpdateStaff,
)

from .shop import HOLD_IS_OVER, Shop, add_hours, at, confirmed, hold

DAY = at(0).date()


async def starts(bookings: BookingService, query: SlotQuery, *, free: bool = True) -> list[datetime]:
    return [slot.start_at for slot in await bookings.slots(query) if slot.available or not free]


async def test_slots_say_who_is_free(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    await hold(scope, shop, at(10))
    await confirmed(scope, shop, at(10), shop.bob)
    await hold(scope, shop, at(11))
    slots = {slot.start_at: slot for slot in await bookings.slots(SlotQuery(service_id=shop.haircut.id, date=DAY))}
    assert len(slots) == 31
    assert (min(slots), max(slots)) == (at(9), at(16, 30))
    assert slots[at(9)].staff_ids == sorted([shop.ann.id, shop.bob.id])
    assert (slots[at(10)].available, slots[at(10)].staff_ids) == (False, [])
    assert (slots[at(11)].available, slots[at(11)].staff_ids) == (True, [shop.bob.id])


async def test_slots_of_one_staff_member_are_hers(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    await hold(scope, shop, at(10), shop.bob)
    query = SlotQuery(service_id=shop.haircut.id, date=DAY, staff_id=shop.ann.id)
    assert at(10) in await starts(bookings, query)
    assert {tuple(slot.staff_ids) for slot in await bookings.slots(query)} == {(shop.ann.id,)}


async def test_an_expired_hold_is_on_offer_again(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    query = SlotQuery(service_id=shop.haircut.id, date=DAY, staff_id=shop.ann.id)
    await hold(scope, shop, at(10))
    assert at(10) not in await starts(bookings, query)
    await move_clock(application, HOLD_IS_OVER)
    assert at(10) in await starts(bookings, query)


async def test_days_with_rules_of_their_own_count(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    async with scope.transaction():
        await bookings.availability_rules.create(
            [
                CreateAvailabilityRule(staff_id=staff.id, rule_type=RuleType.BLOCKED, specific_date=DAY)
                for staff in (shop.ann, shop.bob)
            ]
        )
    found = await starts(bookings, SlotQuery(service_id=shop.haircut.id, date=DAY, days=2))
    assert {start.date() for start in found} == {DAY + timedelta(days=1)}


async def test_a_booking_sees_its_own_time_as_free_with_its_own_duration(
    scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    booking = await confirmed(scope, shop, at(10))
    async with scope.transaction():
        await bookings.services.update([UpdateService(id=shop.haircut.id, duration_minutes=480, is_active=False)])
    query = SlotQuery(service_id=shop.haircut.id, date=DAY, staff_id=shop.ann.id, booking_id=booking.id)
    found = await starts(bookings, query)
    assert (at(9, 45) in found, at(10) in found, at(16, 30) in found, len(found)) == (True, True, True, 31)


async def test_a_booking_of_another_service_or_none_is_not_found(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    async with scope.transaction():
        [shave] = await bookings.services.create([CreateService(name="Shave", price=1)])
    booking = await hold(scope, shop, at(10))
    expired = SlotQuery(service_id=shop.haircut.id, date=DAY, booking_id=booking.id)
    await bookings.slots(expired)
    await move_clock(application, HOLD_IS_OVER)
    other = SlotQuery(service_id=shave.id, date=DAY, booking_id=booking.id)
    for query in (expired, other, SlotQuery(service_id=shave.id, date=DAY, booking_id="\0")):
        with pytest.raises(NotFound):
            await bookings.slots(query)


async def test_what_cannot_be_booked_is_not_found(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    async with scope.transaction():
        await bookings.staff.update([UpdateStaff(id=shop.bob.id, is_active=False)])
        [closed] = await bookings.services.create([CreateService(name="Perm", price=1, is_active=False)])
        [solo] = await bookings.services.create([CreateService(name="Solo", price=1)])
        await bookings.set_service_staff(solo.id, [shop.bob.id])
    for service_id, staff_id in (
        (closed.id, None),
        ("bksvc_unknown", None),
        ("\0", None),
        ("x" * 100_000, None),
        (shop.haircut.id, shop.bob.id),
        (shop.haircut.id, "bkstf_unknown"),
        (shop.haircut.id, "\ud800"),
        (solo.id, shop.ann.id),
    ):
        with pytest.raises(NotFound):
            await bookings.slots(SlotQuery(service_id=service_id, date=DAY, staff_id=staff_id))
    assert await bookings.slots(SlotQuery(service_id=solo.id, date=DAY)) == []


@pytest.mark.parametrize("days", [0, -1, 43, 10**9])
async def test_too_many_days_are_refused(shop: Shop, bookings: BookingService, days: int) -> None:
    with pytest.raises(RangeTooLarge):
        await bookings.slots(SlotQuery(service_id=shop.haircut.id, date=DAY, days=days))


async def test_far_away_dates_have_no_slots(shop: Shop, bookings: BookingService) -> None:
    for day in (datetime.min.date(), datetime.max.date()):
        for zone in (None, "Pacific/Kiritimati", "Pacific/Pago_Pago"):
            query = SlotQuery(service_id=shop.haircut.id, date=day, days=42, timezone=zone)
            assert await bookings.slots(query) == []


async def test_an_unknown_time_zone_is_refused(shop: Shop, bookings: BookingService) -> None:
    for zone in ("Mars/Olympus", "", "../etc/passwd", "\0", "x" * 5000, "right/UTC", "Europe"):
        with pytest.raises(InvalidData):
            await bookings.slots(SlotQuery(service_id=shop.haircut.id, date=DAY, timezone=zone))


@pytest.mark.parametrize(
    ("start_at", "error"),
    [
        (at(10, 7), OffGrid),
        (at(10, days=-1), InPast),
        (at(10, days=400), TooFarAhead),
        (at(8, 45), SlotUnavailable),
        (at(16, 45), SlotUnavailable),
        (datetime(1, 1, 1, tzinfo=UTC), InPast),
        (datetime(1969, 12, 31, 23, tzinfo=UTC), InPast),
        (datetime(9999, 12, 31, 23, 45, tzinfo=UTC), TooFarAhead),
        (datetime(2100, 1, 1), InvalidData),
    ],
)
async def test_nobody_is_free_for_what_is_not_on_offer(
    shop: Shop, bookings: BookingService, start_at: datetime, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await bookings.free_staff(shop.haircut, start_at)


async def test_the_notice_is_minded(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    async with scope.transaction():
        [service] = await bookings.services.update([UpdateService(id=shop.haircut.id, min_notice_minutes=3 * 1440)])
    with pytest.raises(TooSoon):
        await bookings.free_staff(service, at(10))


async def test_the_least_busy_comes_first(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    ann, bob = sorted([shop.ann, shop.bob], key=lambda staff: staff.id)
    assert await bookings.free_staff(shop.haircut, at(15)) == [ann.id, bob.id]
    await confirmed(scope, shop, at(10), ann)
    assert await bookings.free_staff(shop.haircut, at(15)) == [bob.id, ann.id]
    assert await bookings.free_staff(shop.haircut, at(15, days=2)) == [ann.id, bob.id]
    await hold(scope, shop, at(10), bob)
    assert await bookings.free_staff(shop.haircut, at(15)) == [ann.id, bob.id]
    await hold(scope, shop, at(9), ann)
    assert await bookings.free_staff(shop.haircut, at(9)) == [bob.id]


async def test_busyness_counts_the_day_in_the_staff_members_own_zone(
    scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    async with scope.transaction():
        far_east, far_west = await bookings.staff.create(
            [
                CreateStaff(name="East", timezone="Pacific/Auckland"),
                CreateStaff(name="West", timezone="Pacific/Honolulu"),
            ]
        )
        await bookings.set_service_staff(shop.haircut.id, [far_east.id, far_west.id])
    for staff in (far_east, far_west):
        await add_hours(scope, staff.id, "00:00", "24:00")
    # Noon UTC is past midnight of the next date in Auckland, and still 02:00 in Honolulu; 08:00 UTC is a day before.
    await confirmed(scope, shop, at(14), far_west)
    await confirmed(scope, shop, at(8), far_east)
    assert await bookings.free_staff(shop.haircut, at(13)) == [far_east.id, far_west.id]
    await confirmed(scope, shop, at(16), far_east)
    await confirmed(scope, shop, at(18), far_east)
    assert await bookings.free_staff(shop.haircut, at(13)) == [far_west.id, far_east.id]


async def test_busyness_counts_live_bookings_and_what_of_them_lies_in_the_day(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    first, second = sorted([shop.ann, shop.bob], key=lambda staff: staff.id)
    await hold(scope, shop, at(10), first)
    assert await bookings.free_staff(shop.haircut, at(15)) == [second.id, first.id]
    await move_clock(application, HOLD_IS_OVER)
    assert await bookings.free_staff(shop.haircut, at(15)) == [first.id, second.id]
    async with scope.transaction():
        hour, short = await bookings.services.create(
            [CreateService(name=f"{n} min", price=1, duration_minutes=n) for n in (60, 45)]
        )
        await bookings.create_bookings(
            [
                CreateBooking(staff_id=first.id, service_id=hour.id, start_at=at(23, 30)),
                CreateBooking(staff_id=second.id, service_id=short.id, start_at=at(10)),
            ]
        )
    assert await bookings.free_staff(shop.haircut, at(15)) == [first.id, second.id]
    assert await bookings.free_staff(shop.haircut, at(15, days=2)) == [second.id, first.id]


async def test_alternatives_begin_with_the_asked_staff_from_the_asked_start_on(
    shop: Shop, bookings: BookingService
) -> None:
    found = await bookings.alternatives(shop.haircut, at(15, 45), shop.ann.id)
    assert [slot.start_at for slot in found[:4]] == [at(15, 45), at(16), at(16, 15), at(16, 30)]
    assert {tuple(slot.staff_ids) for slot in found} == {(shop.ann.id,)}
    assert len(found) == 5


async def test_alternatives_go_on_with_other_staff(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    async with scope.transaction():
        for rule in await bookings.availability_rules.list({"staff_id": shop.ann.id}):
            await bookings.availability_rules.delete([rule.id])
        await bookings.availability_rules.create(
            [
                CreateAvailabilityRule(
                    staff_id=shop.ann.id,
                    rule_type=RuleType.EXCEPTION,
                    specific_date=DAY,
                    start_time="10:00",
                    end_time="11:00",
                )
            ]
        )
    found = await bookings.alternatives(shop.haircut, at(10, 15), shop.ann.id)
    assert [slot.start_at for slot in found] == [at(10, 15), at(10, 30), at(10), at(10, 15), at(10, 30)]
    assert [slot.staff_ids for slot in found] == [[shop.ann.id]] * 3 + [[shop.bob.id]] * 2


async def test_alternatives_lie_within_two_weeks_and_are_free(
    scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    await hold(scope, shop, at(15, 45))
    found = await bookings.alternatives(shop.haircut, at(15, 45), shop.ann.id)
    assert found[0].start_at == at(16, 15)
    assert all(slot.available for slot in found)
    async with scope.transaction():
        [rare] = await bookings.services.create([CreateService(name="Rare", price=1, min_notice_minutes=20 * 1440)])
    assert await bookings.alternatives(rare, at(10)) == []


async def test_alternatives_of_a_booking_are_other_than_its_own_time(
    scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    booking = await confirmed(scope, shop, at(10))
    found = await bookings.alternatives_of(booking.id)
    assert [slot.start_at for slot in found] == [at(10, 15), at(10, 30), at(10, 45), at(11)]
    async with scope.transaction():
        await bookings.services.update([UpdateService(id=shop.haircut.id, is_active=False)])
    assert await bookings.alternatives_of(booking.id)
    held = await bookings.bookings.list({"status": "held"})
    assert held == []


async def test_an_expired_hold_of_an_inactive_service_has_no_alternatives(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    held = await hold(scope, shop, at(10))
    await move_clock(application, HOLD_IS_OVER)
    assert (await bookings.alternatives_of(held.id))[0].start_at == at(10)
    async with scope.transaction():
        await bookings.services.update([UpdateService(id=shop.haircut.id, is_active=False)])
    assert await bookings.alternatives_of(held.id) == []
