"""Two transactions at once: the lock order and the row counts decide."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import LiteralString, TypeVar

import pytest

from core.app import Application
from core.container import Scope
from core.db import as_busy
from core.errors import NotFound
from core.testing import move_clock
from modules.booking import (
    Booking,
    BookingService,
    BookingStatus,
    HasBookings,
    HoldExpired,
    InvalidState,
    NewHold,
    PaymentMode,
    SlotUnavailable,
    Staff,
    booking,
)

from .shop import HOLD_IS_OVER, Shop, at, claims_of, confirmed, hold

WAITING: LiteralString = """
SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"""


@asynccontextmanager
async def meanwhile(application: Application) -> AsyncGenerator[tuple[Scope, BookingService]]:
    """Open a second scope with a transaction of its own."""
    async with application.scope() as other, other.transaction():
        yield other, other.resolve(BookingService)


async def until_waiting(scope: Scope) -> None:
    """Wait until some statement on this database waits for a lock."""
    for _ in range(500):
        if await scope.session.sql(WAITING):
            return
        await asyncio.sleep(0.01)
    raise TimeoutError("nothing waits for a lock")


async def sound(scope: Scope) -> bool:
    return not [sentence for check in booking.checks.values() for sentence in await check(scope)]


T = TypeVar("T")


async def in_own_transaction(application: Application, act: Callable[[BookingService], Awaitable[T]]) -> T:
    async with application.scope() as scope, scope.transaction():
        return await act(scope.resolve(BookingService))


async def test_of_many_equal_holds_one_wins(application: Application, scope: Scope, shop: Shop) -> None:
    wanted = NewHold(service=shop.haircut, staff_ids=[shop.ann.id], start_at=at(10))
    tasks = [in_own_transaction(application, lambda service: service.create_held(wanted)) for _ in range(12)]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(result, Booking) for result in results) == 1
    assert sum(isinstance(result, SlotUnavailable) for result in results) == 11
    assert await sound(scope)


async def test_overlapping_holds_never_overlap_in_the_end(application: Application, scope: Scope, shop: Shop) -> None:
    starts = [at(10) + timedelta(minutes=15 * step) for step in range(12)]
    for day in range(5):
        tasks = [
            in_own_transaction(
                application,
                lambda service, start=start + timedelta(days=day): service.create_held(
                    NewHold(service=shop.haircut, staff_ids=[shop.ann.id], start_at=start)
                ),
            )
            for start in starts
        ]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, Booking | SlotUnavailable) for result in results)
        assert any(isinstance(result, Booking) for result in results)
    assert await sound(scope)


async def test_any_staff_gives_each_free_one_once(application: Application, shop: Shop) -> None:
    wanted = NewHold(service=shop.haircut, staff_ids=[shop.ann.id, shop.bob.id], start_at=at(10))
    tasks = [in_own_transaction(application, lambda service: service.create_held(wanted)) for _ in range(10)]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    winners = [result.staff_id for result in results if isinstance(result, Booking)]
    assert sorted(winners) == sorted([shop.ann.id, shop.bob.id])
    assert sum(isinstance(result, SlotUnavailable) for result in results) == 8


async def test_a_takeover_beats_the_confirmation_that_comes_second(
    application: Application, scope: Scope, shop: Shop
) -> None:
    first = await hold(scope, shop, at(10))
    await move_clock(application, HOLD_IS_OVER)
    await application.heartbeat.stop()  # a beat would set the clock right
    async with meanwhile(application) as (other, service):
        taken = await service.create_held(NewHold(service=shop.haircut, staff_ids=[shop.ann.id], start_at=at(10, 15)))
        # To a process whose clock is behind the first hold still looks live.
        other.clock.set_offset(timedelta(0))
        late = asyncio.create_task(
            in_own_transaction(application, lambda mine: mine.confirm(first.id, PaymentMode.PAY_IN_STORE))
        )
        await until_waiting(scope)
    with pytest.raises(HoldExpired):
        await late
    assert await claims_of(scope, taken.id) == 2


async def test_the_confirmation_beats_the_takeover_that_comes_second(
    application: Application, scope: Scope, shop: Shop
) -> None:
    first = await hold(scope, shop, at(10))
    await application.heartbeat.stop()
    async with meanwhile(application) as (other, service):
        await service.confirm(first.id, PaymentMode.PAY_IN_STORE)
        other.clock.set_offset(HOLD_IS_OVER)
        wanted = NewHold(service=shop.haircut, staff_ids=[shop.ann.id], start_at=at(10, 15))
        late = asyncio.create_task(in_own_transaction(application, lambda mine: mine.create_held(wanted)))
        await until_waiting(scope)
    with pytest.raises(SlotUnavailable):
        await late
    assert await claims_of(scope, first.id) == 2


async def test_confirm_and_cancel_at_once_leave_one_outcome(application: Application, scope: Scope, shop: Shop) -> None:
    for hour in range(9, 15):
        held = await hold(scope, shop, at(hour))
        results = await asyncio.gather(
            in_own_transaction(application, lambda mine, id=held.id: mine.confirm(id, PaymentMode.PAY_IN_STORE)),
            in_own_transaction(application, lambda mine, id=held.id: mine.cancel(id)),
            return_exceptions=True,
        )
        after = await scope.resolve(BookingService).get_booking(held.id)
        assert after.status is BookingStatus.CANCELLED
        assert isinstance(results[0], Booking | InvalidState)
    assert await sound(scope)


async def test_confirming_twice_at_once_is_one_transition(application: Application, scope: Scope, shop: Shop) -> None:
    held = await hold(scope, shop, at(10))
    results = await asyncio.gather(
        *(
            in_own_transaction(application, lambda mine: mine.confirm(held.id, PaymentMode.PAY_IN_STORE))
            for _ in range(4)
        )
    )
    assert {result.version for result in results if isinstance(result, Booking)} == {2}


async def test_a_lock_shows_the_staff_member_that_a_move_brought_meanwhile(
    application: Application, scope: Scope, shop: Shop
) -> None:
    made = await confirmed(scope, shop, at(10))
    async with meanwhile(application) as (_, service):
        await service.reschedule(made.id, at(12), staff_id=shop.bob.id)
        late = asyncio.create_task(in_own_transaction(application, lambda mine: mine.cancel(made.id)))
        await until_waiting(scope)
    cancelled = await late
    assert isinstance(cancelled, Booking)
    assert cancelled.staff == shop.bob
    assert await claims_of(scope, made.id) == 0


async def test_moves_that_cross_each_other_do_not_deadlock(application: Application, scope: Scope, shop: Shop) -> None:
    for days in range(1, 6):
        with_ann = await confirmed(scope, shop, at(10, days=days))
        with_bob = await confirmed(scope, shop, at(10, days=days), shop.bob)
        start_at = at(10, 15, days=days)
        results = await asyncio.gather(
            in_own_transaction(application, partial(move, with_ann, start_at, shop.bob)),
            in_own_transaction(application, partial(move, with_bob, start_at, shop.ann)),
            return_exceptions=True,
        )
        assert all(isinstance(result, Booking | SlotUnavailable) for result in results)
    assert await sound(scope)


async def move(made: Booking, start_at: datetime, staff: Staff, service: BookingService) -> Booking:
    return await service.reschedule(made.id, start_at, staff_id=staff.id)


async def test_a_statement_does_not_wait_for_a_lock_for_long(
    application: Application, scope: Scope, shop: Shop
) -> None:
    made = await confirmed(scope, shop, at(10))
    async with meanwhile(application) as (_, service):
        await service.lock_booking(made.id)
        with pytest.raises(Exception, match="lock timeout") as caught:
            async with asyncio.timeout(4):
                await in_own_transaction(application, lambda mine: mine.cancel(made.id))
    assert as_busy(caught.value) is not None


async def test_waiting_stays_limited_when_a_savepoint_is_rolled_back(
    scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    made = await hold(scope, shop, at(10))
    async with scope.transaction() as transaction:
        with pytest.raises(NotFound):
            async with transaction.savepoint():
                await bookings.lock_booking("book_unknown")
        await bookings.lock_booking(made.id)
        assert await transaction.sql("SHOW lock_timeout") == [("2s",)]


async def test_a_hold_waits_for_a_deletion_and_then_finds_nobody(
    application: Application, scope: Scope, shop: Shop
) -> None:
    wanted = NewHold(service=shop.haircut, staff_ids=[shop.ann.id], start_at=at(10))
    async with meanwhile(application) as (_, service):
        await service.staff.soft_delete([shop.ann.id])
        late = asyncio.create_task(in_own_transaction(application, lambda mine: mine.create_held(wanted)))
        await until_waiting(scope)
    with pytest.raises((SlotUnavailable, NotFound)):
        await late


async def test_a_move_waits_for_a_deletion_and_then_finds_nobody(
    application: Application, scope: Scope, shop: Shop
) -> None:
    made = await confirmed(scope, shop, at(10))
    async with meanwhile(application) as (_, service):
        await service.staff.soft_delete([shop.bob.id])
        late = asyncio.create_task(in_own_transaction(application, partial(move, made, at(12), shop.bob)))
        await until_waiting(scope)
    with pytest.raises((SlotUnavailable, NotFound)):
        await late
    assert (await scope.resolve(BookingService).get_booking(made.id)).staff_id == shop.ann.id


async def test_a_deletion_waits_for_a_hold_and_then_finds_it(
    application: Application, scope: Scope, shop: Shop
) -> None:
    async with meanwhile(application) as (_, service):
        made = await service.create_held(NewHold(service=shop.haircut, staff_ids=[shop.ann.id], start_at=at(10)))
        late = asyncio.create_task(in_own_transaction(application, lambda mine: mine.staff.soft_delete([shop.ann.id])))
        await until_waiting(scope)
    with pytest.raises(HasBookings) as caught:
        await late
    assert caught.value.data["booking_ids"] == [made.id]


async def test_the_sweep_passes_over_what_is_being_changed(application: Application, scope: Scope, shop: Shop) -> None:
    locked, free = await hold(scope, shop, at(10)), await hold(scope, shop, at(12))
    await move_clock(application, HOLD_IS_OVER)
    async with meanwhile(application) as (_, service):
        await service.lock_booking(locked.id)
        swept = await in_own_transaction(application, lambda mine: mine.expire_due())
    assert [each.booking_id for each in swept] == [free.id]
