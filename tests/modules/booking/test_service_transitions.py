"""The states table of the HTTP contract, at the service."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import pytest

from core.app import Application
from core.container import Scope
from core.errors import HoldfastError, NotFound
from core.testing import move_clock
from modules.booking import (
    Booking,
    BookingService,
    BookingStatus,
    Contact,
    ContactRequired,
    CreateBooking,
    HoldExpired,
    InvalidState,
    PaymentMode,
    PaymentModeNotAllowed,
    SlotUnavailable,
    UpdateService,
)

from .shop import HOLD_IS_OVER, Shop, at, claims_of, confirmed, hold

Action = Callable[[BookingService, str], Awaitable[Booking]]
ACTIONS: dict[str, Action] = {
    "confirm": lambda service, id: service.confirm(id, PaymentMode.PAY_IN_STORE),
    "confirm otherwise": lambda service, id: service.confirm(id, PaymentMode.FULL),
    "cancel": lambda service, id: service.cancel(id),
    "reschedule": lambda service, id: service.reschedule(id, at(14)),
    "complete": lambda service, id: service.complete(id),
    "no-show": lambda service, id: service.mark_no_show(id),
}
HELD, CONFIRMED, CANCELLED = BookingStatus.HELD, BookingStatus.CONFIRMED, BookingStatus.CANCELLED
COMPLETED, NO_SHOW = BookingStatus.COMPLETED, BookingStatus.NO_SHOW
Outcome = BookingStatus | type[HoldfastError]
TABLE: dict[str, Mapping[str, Outcome]] = {
    "held": {
        "confirm": CONFIRMED,
        "confirm otherwise": PaymentModeNotAllowed,
        "cancel": CANCELLED,
        "reschedule": InvalidState,
        "complete": InvalidState,
        "no-show": InvalidState,
    },
    "expired": {
        "confirm": HoldExpired,
        "confirm otherwise": HoldExpired,
        "cancel": HoldExpired,
        "reschedule": HoldExpired,
        "complete": InvalidState,
        "no-show": InvalidState,
    },
    "confirmed": {
        "confirm": CONFIRMED,
        "confirm otherwise": InvalidState,
        "cancel": CANCELLED,
        "reschedule": CONFIRMED,
        "complete": COMPLETED,
        "no-show": NO_SHOW,
    },
    "cancelled": dict.fromkeys(ACTIONS, InvalidState) | {"cancel": CANCELLED},
    "completed": dict.fromkeys(ACTIONS, InvalidState) | {"complete": COMPLETED},
    "no_show": dict.fromkeys(ACTIONS, InvalidState) | {"no-show": NO_SHOW},
}
TABLE["swept"] = TABLE["expired"]


async def booking_in(state: str, application: Application, scope: Scope, shop: Shop) -> Booking:
    """Make a booking and bring it into that state."""
    service = scope.resolve(BookingService)
    if state in ("held", "expired", "swept"):
        booking = await hold(scope, shop, at(10))
        if state != "held":
            await move_clock(application, HOLD_IS_OVER)
        if state == "swept":
            async with scope.transaction():
                await service.expire_due()
        return booking
    booking = await confirmed(scope, shop, at(10))
    action = {"cancelled": "cancel", "completed": "complete", "no_show": "no-show"}.get(state)
    if action:
        async with scope.transaction():
            return await ACTIONS[action](service, booking.id)
    return booking


@pytest.mark.parametrize(("state", "action"), [(state, action) for state in TABLE for action in ACTIONS])
async def test_each_action_in_each_state(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService, state: str, action: str
) -> None:
    booking = await booking_in(state, application, scope, shop)
    outcome = TABLE[state][action]
    if isinstance(outcome, type):
        with pytest.raises(outcome):
            async with scope.transaction():
                await ACTIONS[action](bookings, booking.id)
        return
    async with scope.transaction():
        after = await ACTIONS[action](bookings, booking.id)
    assert after.status is outcome
    changed = booking.status is not outcome or action == "reschedule"
    assert after.version == booking.version + changed
    assert await claims_of(scope, booking.id) == (2 if outcome is CONFIRMED else 0)
    assert await bookings.get_booking(booking.id) == after


@pytest.mark.parametrize("action", ACTIONS)
async def test_of_an_unknown_booking_nothing_can_be_done(scope: Scope, bookings: BookingService, action: str) -> None:
    for unknown in ("book_01K00000000000000000000000", "x" * 10_000, "\0", "\ud800"):
        with pytest.raises(NotFound):
            async with scope.transaction():
                await ACTIONS[action](bookings, unknown)


async def test_an_expired_hold_is_not_found_swept_or_not(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    booking = await booking_in("expired", application, scope, shop)
    with pytest.raises(NotFound):
        await bookings.get_booking(booking.id)
    async with scope.transaction():
        await bookings.expire_due()
    with pytest.raises(NotFound):
        await bookings.get_booking(booking.id)


async def test_confirming_lasts_beyond_the_hold(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    booking = await confirmed(scope, shop, at(10))
    assert (booking.payment_mode, booking.hold_expires_at) == (PaymentMode.PAY_IN_STORE, None)
    assert booking.confirmed_at is not None
    await move_clock(application, HOLD_IS_OVER)
    assert (await bookings.get_booking(booking.id)).status is CONFIRMED
    with pytest.raises(SlotUnavailable):
        await hold(scope, shop, at(10))


async def test_confirming_needs_contact(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    async with scope.transaction():
        [booking] = await bookings.create_bookings(
            [CreateBooking(staff_id=shop.ann.id, service_id=shop.haircut.id, start_at=at(10))]
        )
    for contact in (None, Contact(customer_name="Ann"), Contact(customer_email="")):
        with pytest.raises(ContactRequired):
            async with scope.transaction():
                await bookings.confirm(booking.id, PaymentMode.PAY_IN_STORE, contact)
    async with scope.transaction():
        after = await bookings.confirm(booking.id, PaymentMode.PAY_IN_STORE, Contact(customer_phone="+43 1"))
    assert (after.customer_phone, after.customer_email) == ("+43 1", None)


async def test_a_payment_mode_must_be_one_of_the_services(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    booking = await hold(scope, shop, at(10))
    async with scope.transaction():
        await bookings.services.update([UpdateService(id=shop.haircut.id, payment_modes_allowed=[PaymentMode.FULL])])
    for mode in PaymentMode:
        with pytest.raises(PaymentModeNotAllowed):
            async with scope.transaction():
                await bookings.confirm(booking.id, mode)


async def test_a_hold_whose_claims_are_gone_cannot_be_confirmed(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    first = await hold(scope, shop, at(10))
    await move_clock(application, HOLD_IS_OVER)
    await hold(scope, shop, at(10, 15))
    await move_clock(application, -HOLD_IS_OVER)  # the first hold's clock ran behind: it looks live again
    with pytest.raises(HoldExpired):
        async with scope.transaction():
            await bookings.confirm(first.id, PaymentMode.PAY_IN_STORE)


async def test_a_later_price_or_name_leaves_a_booking_as_it_is(
    scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    booking = await confirmed(scope, shop, at(10))
    async with scope.transaction():
        await bookings.services.update([UpdateService(id=shop.haircut.id, name="Cut", price=9900, is_active=False)])
    after = await bookings.get_booking(booking.id)
    assert (after.service_name, after.price_amount) == ("Haircut", 2500)


async def test_cancelling_frees_the_time_and_keeps_the_reason(
    scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    booking = await confirmed(scope, shop, at(10))
    async with scope.transaction():
        first = await bookings.cancel(booking.id, "ill")
    async with scope.transaction():
        assert await bookings.cancel(booking.id, "another reason") == first
    assert first.cancel_reason == "ill"
    assert first.cancelled_at is not None
    await hold(scope, shop, at(10))


@pytest.mark.parametrize("action", ["cancel", "reschedule"])
async def test_what_has_started_is_the_shops_to_change(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService, action: str
) -> None:
    booking = await confirmed(scope, shop, at(10))
    await move_clock(application, at(10) - scope.clock.now() + timedelta(seconds=1))
    with pytest.raises(InvalidState, match="started"):
        async with scope.transaction():
            await ACTIONS[action](bookings, booking.id)
    async with scope.transaction():
        if action == "cancel":
            await bookings.cancel(booking.id, allow_started=True)
        else:
            await bookings.reschedule(booking.id, at(14), allow_started=True)


async def test_a_confirmation_can_be_taken_back(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    held = await hold(scope, shop, at(10))
    assert held.hold_expires_at is not None
    async with scope.transaction():
        after = await bookings.confirm(held.id, PaymentMode.PAY_IN_STORE)
    async with scope.transaction():
        await bookings.unconfirm(held.id, version=after.version - 1, hold_expires_at=held.hold_expires_at)
    assert (await bookings.get_booking(held.id)).status is CONFIRMED
    async with scope.transaction():
        await bookings.unconfirm(held.id, version=after.version, hold_expires_at=held.hold_expires_at)
    back = await bookings.get_booking(held.id)
    assert (back.status, back.hold_expires_at, back.payment_mode) == (HELD, held.hold_expires_at, None)
