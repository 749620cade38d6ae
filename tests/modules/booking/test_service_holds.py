"""Holds, on a real database."""

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from core.app import Application
from core.container import Scope
from core.errors import InvalidData, NotFound
from core.testing import move_clock
from modules.booking import (
    BookingService,
    BookingStatus,
    CreateBooking,
    CreateService,
    DepositType,
    NewHold,
    OffGrid,
    SlotUnavailable,
    UpdateService,
)

from .shop import HOLD_IS_OVER, Shop, at, claims_of, hold


async def test_a_hold_lasts_as_long_as_configured_and_carries_snapshots(
    scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    before = scope.clock.now()
    held = await hold(scope, shop, at(10))
    assert held.status is BookingStatus.HELD
    assert held.hold_expires_at is not None
    assert timedelta(0) <= held.hold_expires_at - before - timedelta(minutes=10) < timedelta(seconds=5)
    assert (held.service_name, held.price_amount, held.currency_code) == ("Haircut", 2500, "usd")
    assert held.end_at == at(10, 30)
    assert held.version == 1
    assert held.staff == shop.ann
    assert held.service == shop.haircut
    assert await bookings.get_booking(held.id) == held


async def test_a_hold_blocks_its_time(scope: Scope, shop: Shop) -> None:
    await hold(scope, shop, at(10))
    for start_at in (at(9, 45), at(10), at(10, 15)):
        with pytest.raises(SlotUnavailable):
            await hold(scope, shop, start_at)
    await hold(scope, shop, at(9, 30))
    await hold(scope, shop, at(10, 30))
    await hold(scope, shop, at(10), shop.bob)


async def test_an_expired_hold_frees_its_time_unswept(application: Application, scope: Scope, shop: Shop) -> None:
    first = await hold(scope, shop, at(10))
    await move_clock(application, HOLD_IS_OVER)
    second = await hold(scope, shop, at(10, 15))
    assert await claims_of(scope, second.id) == 2
    assert await claims_of(scope, first.id) == 1


async def test_the_sweep_hides_what_has_expired_and_nothing_else(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    expired = await hold(scope, shop, at(10))
    await move_clock(application, HOLD_IS_OVER)
    live = await hold(scope, shop, at(11))
    async with scope.transaction():
        assert [swept.booking_id for swept in await bookings.expire_due()] == [expired.id]
    assert [booking.id for booking in await bookings.bookings.list()] == [live.id]
    assert await claims_of(scope, expired.id) == 0
    assert await claims_of(scope, live.id) == 2
    found = await bookings.find_booking(expired.id)
    assert found is not None
    assert found.status is BookingStatus.EXPIRED


async def test_the_sweep_takes_no_more_than_its_limit(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    for hour in (10, 11, 12):
        await hold(scope, shop, at(hour))
    await move_clock(application, HOLD_IS_OVER)
    async with scope.transaction():
        assert len(await bookings.expire_due(limit=2)) == 2
    async with scope.transaction():
        assert len(await bookings.expire_due(limit=2)) == 1


@pytest.mark.parametrize("state", ["live", "expired", "swept"])
async def test_a_released_hold_is_as_if_it_had_never_been(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService, state: str
) -> None:
    held = await hold(scope, shop, at(10))
    if state != "live":
        await move_clock(application, HOLD_IS_OVER)
    if state == "swept":
        async with scope.transaction():
            await bookings.expire_due()
    for _ in range(2):
        async with scope.transaction():
            await bookings.release(held.id)
    assert await bookings.find_booking(held.id) is None
    assert await bookings.bookings.list() == []
    await hold(scope, shop, at(10))


async def test_the_next_free_staff_member_is_taken_when_a_claim_loses(
    scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    await hold(scope, shop, at(10, 15), shop.bob)
    request = NewHold(service=shop.haircut, staff_ids=[shop.bob.id, shop.ann.id], start_at=at(10))
    async with scope.transaction():
        assert (await bookings.create_held(request)).staff_id == shop.ann.id
    with pytest.raises(SlotUnavailable):
        async with scope.transaction():
            await bookings.create_held(request)
    assert await scope.session.sql("SELECT count(*) FROM slot_claim") == [(4,)]


async def test_a_booking_made_as_given_must_end_after_the_duration(
    scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    data = CreateBooking(staff_id=shop.ann.id, service_id=shop.haircut.id, start_at=at(10), end_at=at(10, 30))
    async with scope.transaction():
        [made] = await bookings.create_bookings([data])
    assert made.status is BookingStatus.HELD
    with pytest.raises(InvalidData, match="30 minutes"):
        async with scope.transaction():
            await bookings.create_bookings([replace(data, end_at=at(10, 45))])


async def test_bookings_made_at_once_come_back_in_the_order_given(
    scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    starts = [at(12), at(9), at(15)]
    async with scope.transaction():
        made = await bookings.create_bookings(
            [CreateBooking(staff_id=shop.ann.id, service_id=shop.haircut.id, start_at=start) for start in starts]
        )
    assert [booking.start_at for booking in made] == starts


@pytest.mark.parametrize("start_at", [at(10, 7), at(10) + timedelta(seconds=1), at(10) + timedelta(milliseconds=500)])
async def test_a_booking_starts_on_the_quarter_hour(scope: Scope, shop: Shop, start_at: datetime) -> None:
    with pytest.raises(OffGrid):
        await hold(scope, shop, start_at)


async def test_unknown_and_inactive_things_cannot_be_booked(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    async with scope.transaction():
        await bookings.services.update([UpdateService(id=shop.haircut.id, is_active=False)])
    with pytest.raises(NotFound, match="service"):
        await hold(scope, shop, at(10))


async def test_length_counts_duration_and_buffer_once(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    async with scope.transaction():
        [trim] = await bookings.services.create(
            [CreateService(name="Trim", price=0, duration_minutes=20, buffer_minutes=5)]
        )
        [made] = await bookings.create_bookings(
            [CreateBooking(staff_id=shop.ann.id, service_id=trim.id, start_at=at(10))]
        )
    assert made.end_at == at(10, 20)
    assert made.claimed_until == at(10, 30)
    await hold(scope, shop, at(10, 30))


@pytest.mark.parametrize(
    ("kind", "value", "deposit"),
    [
        (DepositType.NONE, None, None),
        (DepositType.FIXED, 700, 700),
        (DepositType.PERCENT, 50, 13),
        (DepositType.PERCENT, 49, 12),
    ],
)
async def test_the_deposit_is_rounded_half_up(
    scope: Scope, shop: Shop, bookings: BookingService, kind: DepositType, value: int | None, deposit: int | None
) -> None:
    price = 25 if kind is DepositType.PERCENT else 2500
    async with scope.transaction():
        [service] = await bookings.services.create(
            [CreateService(name="Shave", price=price, deposit_type=kind, deposit_value=value)]
        )
        [made] = await bookings.create_bookings(
            [CreateBooking(staff_id=shop.ann.id, service_id=service.id, start_at=at(10))]
        )
    assert made.deposit_amount == deposit
