"""Confirming, moving, cancelling and closing, as workflows."""

from datetime import datetime

import pytest

from core.app import Application
from core.container import Scope
from core.errors import HoldfastError
from core.testing import application_on, move_clock
from core.workflow import StepContext, step, workflow
from modules.booking import (
    Booking,
    BookingService,
    BookingStatus,
    Contact,
    ContactRequired,
    HoldExpired,
    InvalidState,
    PaymentMode,
    SlotUnavailable,
    booking,
)
from tests.modules.booking.shop import HOLD_IS_OVER, Shop, at, claims_of, confirmed, hold
from workflows.booking import (
    CancelBooking,
    CompleteBooking,
    ConfirmBooking,
    HoldBookingSlot,
    MarkNoShow,
    RescheduleBooking,
    cancel_booking,
    complete_booking,
    confirm_booking,
    hold_booking_slot,
    mark_no_show,
    reschedule_booking,
)
from workflows.booking.steps import confirm_held_booking, move_booking

IN_STORE = PaymentMode.PAY_IN_STORE


async def test_a_guest_leaves_contact_when_confirming(scope: Scope, shop: Shop) -> None:
    made = await hold_booking_slot.run(scope, HoldBookingSlot(service_id=shop.haircut.id, start_at=at(10)))
    with pytest.raises(ContactRequired):
        await confirm_booking.run(scope, ConfirmBooking(booking_id=made.id, payment_mode=IN_STORE))
    after = await confirm_booking.run(
        scope,
        ConfirmBooking(booking_id=made.id, payment_mode=IN_STORE, customer_email="jo@example.com", customer_name="Jo"),
    )
    assert (after.status, after.customer_email, after.customer_name) == (
        BookingStatus.CONFIRMED,
        "jo@example.com",
        "Jo",
    )
    assert after.staff == made.staff


@pytest.mark.parametrize("swept", [False, True])
async def test_an_expired_hold_cannot_be_confirmed_and_brings_alternatives(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService, swept: bool
) -> None:
    made = await hold(scope, shop, at(10))
    await move_clock(application, HOLD_IS_OVER)
    if swept:
        async with scope.transaction():
            await bookings.expire_due()
    with pytest.raises(HoldExpired) as caught:
        await confirm_booking.run(scope, ConfirmBooking(booking_id=made.id, payment_mode=IN_STORE))
    starts = [datetime.fromisoformat(slot["start_at"]) for slot in caught.value.data["alternatives"]]
    assert starts[0] == at(10)
    assert len(starts) == 5


async def test_a_taken_time_brings_alternatives_for_the_move(scope: Scope, shop: Shop) -> None:
    made = await confirmed(scope, shop, at(10))
    await hold(scope, shop, at(12))
    with pytest.raises(SlotUnavailable) as caught:
        await reschedule_booking.run(scope, RescheduleBooking(booking_id=made.id, start_at=at(12)))
    starts = [datetime.fromisoformat(slot["start_at"]) for slot in caught.value.data["alternatives"]]
    assert starts == [at(12, 30), at(12, 45), at(13), at(13, 15), at(13, 30)]
    moved = await reschedule_booking.run(scope, RescheduleBooking(booking_id=made.id, start_at=starts[0]))
    assert moved.start_at == starts[0]


async def test_a_booking_is_cancelled_once(scope: Scope, shop: Shop) -> None:
    made = await confirmed(scope, shop, at(10))
    first = await cancel_booking.run(scope, CancelBooking(booking_id=made.id, reason="ill"))
    assert (first.status, first.cancel_reason) == (BookingStatus.CANCELLED, "ill")
    assert await cancel_booking.run(scope, CancelBooking(booking_id=made.id)) == first


async def test_a_booking_is_closed_one_way(scope: Scope, shop: Shop) -> None:
    done, missed = await confirmed(scope, shop, at(10)), await confirmed(scope, shop, at(11))
    completed = await complete_booking.run(scope, CompleteBooking(booking_id=done.id))
    assert completed.status is BookingStatus.COMPLETED
    assert completed.completed_at is not None
    no_show = await mark_no_show.run(scope, MarkNoShow(booking_id=missed.id))
    assert (no_show.status, no_show.completed_at) == (BookingStatus.NO_SHOW, None)
    with pytest.raises(InvalidState):
        await mark_no_show.run(scope, MarkNoShow(booking_id=done.id))


async def test_the_same_key_gives_the_first_answer_after_later_changes(scope: Scope, shop: Shop) -> None:
    made = await hold(scope, shop, at(10))
    wanted = ConfirmBooking(booking_id=made.id, payment_mode=IN_STORE)
    first = await confirm_booking.run(scope, wanted, key="one")
    await cancel_booking.run(scope, CancelBooking(booking_id=made.id))
    assert await confirm_booking.run(scope, wanted, key="one") == first


class TillIsBroken(HoldfastError):
    """The step after the change fails."""

    code = "till_is_broken"


@step("ring-up")
async def ring_up(ctx: StepContext, booking_id: str) -> str:
    await ctx.resolve(BookingService).lock_booking(booking_id)
    raise TillIsBroken


@workflow("confirm-and-ring-up", version=1)
async def confirm_and_ring_up(booking_id: str) -> Booking:
    made = await confirm_held_booking(booking_id, IN_STORE, Contact())
    await ring_up(booking_id)
    return made


@workflow("move-and-ring-up", version=1)
async def move_and_ring_up(booking_id: str) -> Booking:
    made = await move_booking(
        booking_id, at(14), staff_id=None, customer_timezone=None, ignore_hours=False, allow_started=False
    )
    await ring_up(booking_id)
    return made


async def test_a_failure_after_the_confirmation_makes_it_a_hold_again(
    database_url: str, scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    app = application_on(database_url, modules=[booking], workflows=[confirm_and_ring_up])
    held, before = await hold(scope, shop, at(10)), await confirmed(scope, shop, at(12))
    async with app.running(), app.scope() as own:
        for made in (held, before):
            with pytest.raises(TillIsBroken):
                await confirm_and_ring_up.run(own, made.id)
    after = await bookings.get_booking(held.id)
    assert (after.status, after.hold_expires_at) == (BookingStatus.HELD, held.hold_expires_at)
    assert await bookings.get_booking(before.id) == before


async def test_a_failure_after_the_move_moves_it_back(
    database_url: str, scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    app = application_on(database_url, modules=[booking], workflows=[move_and_ring_up])
    made = await confirmed(scope, shop, at(10))
    async with app.running(), app.scope() as own:
        with pytest.raises(TillIsBroken):
            await move_and_ring_up.run(own, made.id)
    assert (await bookings.get_booking(made.id)).start_at == at(10)
    assert await claims_of(scope, made.id) == 2
