"""Holding a slot, as a workflow."""

from datetime import datetime

import pytest

from core.app import Application
from core.container import Scope
from core.errors import HoldfastError, NotFound
from core.link import Links
from core.testing import application_on, move_clock
from core.workflow import StepContext, step, workflow
from links.booking_customer import booking_customer
from modules.booking import Booking, BookingService, BookingStatus, OffGrid, SlotUnavailable, booking
from modules.customer import CreateCustomer, CustomerService
from tests.modules.booking.shop import HOLD_IS_OVER, Shop, at, claims_of, confirmed, hold
from workflows.booking import HoldBookingSlot, hold_booking_slot
from workflows.booking.steps import create_held_booking, get_active_service, validate_slot_availability


async def test_a_slot_is_held_for_the_customer(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    made = await hold_booking_slot.run(
        scope,
        HoldBookingSlot(
            service_id=shop.haircut.id,
            start_at=at(10),
            staff_id=shop.ann.id,
            customer_email="jo@example.com",
            customer_timezone="Asia/Tokyo",
            notes="first time",
        ),
    )
    assert (made.status, made.staff, made.service) == (BookingStatus.HELD, shop.ann, shop.haircut)
    assert (made.customer_email, made.customer_timezone, made.notes) == ("jo@example.com", "Asia/Tokyo", "first time")
    assert await bookings.get_booking(made.id) == made


async def test_a_customers_booking_is_linked_to_them(scope: Scope, shop: Shop) -> None:
    async with scope.transaction():
        [jo] = await scope.resolve(CustomerService).customers.create([CreateCustomer(email="jo@example.com")])
    wanted = HoldBookingSlot(service_id=shop.haircut.id, start_at=at(10), customer_id=jo.id)
    made = await hold_booking_slot.run(scope, wanted)
    [pair] = await scope.resolve(Links).list(booking_customer)
    assert (made.customer_id, pair.left_id, pair.right_id) == (jo.id, made.id, jo.id)
    for check in booking_customer.checks.values():
        assert await check(scope) == []


async def test_an_unknown_customer_gets_no_booking(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    wanted = HoldBookingSlot(service_id=shop.haircut.id, start_at=at(10), customer_id="cus_unknown")
    with pytest.raises(NotFound, match="customer"):
        await hold_booking_slot.run(scope, wanted)
    assert await bookings.bookings.list() == []
    assert await scope.session.sql("SELECT FROM slot_claim") == []


async def test_without_a_wish_the_least_busy_is_taken(scope: Scope, shop: Shop) -> None:
    await confirmed(scope, shop, at(9))
    made = await hold_booking_slot.run(scope, HoldBookingSlot(service_id=shop.haircut.id, start_at=at(15)))
    assert made.staff_id == shop.bob.id


async def test_a_taken_slot_brings_alternatives(scope: Scope, shop: Shop) -> None:
    await hold(scope, shop, at(10))
    wanted = HoldBookingSlot(service_id=shop.haircut.id, start_at=at(10), staff_id=shop.ann.id)
    with pytest.raises(SlotUnavailable) as caught:
        await hold_booking_slot.run(scope, wanted)
    alternatives = caught.value.data["alternatives"]
    assert [datetime.fromisoformat(slot["start_at"]) for slot in alternatives][:2] == [at(10, 30), at(10, 45)]
    assert alternatives[0]["staff_ids"] == [shop.ann.id]
    assert set(alternatives[0]) == {"start_at", "end_at", "start_local", "timezone", "available", "staff_ids"}
    assert len(alternatives) == 5


async def test_every_alternative_can_be_held(scope: Scope, shop: Shop) -> None:
    await hold(scope, shop, at(16, 30))
    with pytest.raises(SlotUnavailable) as caught:
        await hold_booking_slot.run(
            scope, HoldBookingSlot(service_id=shop.haircut.id, start_at=at(16, 30), staff_id=shop.ann.id)
        )
    slot = caught.value.data["alternatives"][-1]
    await hold_booking_slot.run(
        scope,
        HoldBookingSlot(
            service_id=shop.haircut.id,
            start_at=datetime.fromisoformat(slot["start_at"]),
            staff_id=slot["staff_ids"][0],
        ),
    )


async def test_what_is_not_on_offer_is_refused(scope: Scope, shop: Shop) -> None:
    for wanted, error in (
        (HoldBookingSlot(service_id="bksvc_unknown", start_at=at(10)), NotFound),
        (HoldBookingSlot(service_id=shop.haircut.id, start_at=at(10), staff_id="bkstf_unknown"), NotFound),
        (HoldBookingSlot(service_id=shop.haircut.id, start_at=at(10, 1)), OffGrid),
        (HoldBookingSlot(service_id=shop.haircut.id, start_at=at(17)), SlotUnavailable),
    ):
        with pytest.raises(error):
            await hold_booking_slot.run(scope, wanted)
    assert await scope.session.sql("SELECT 1 FROM slot_claim") == []


async def test_the_same_key_gives_the_first_answer_and_never_moves_the_expiry(
    application: Application, scope: Scope, shop: Shop
) -> None:
    wanted = HoldBookingSlot(service_id=shop.haircut.id, start_at=at(10), staff_id=shop.ann.id)
    first = await hold_booking_slot.run(scope, wanted, key="one")
    await move_clock(application, HOLD_IS_OVER)
    assert await hold_booking_slot.run(scope, wanted, key="one") == first
    other = await hold_booking_slot.run(scope, wanted, key="two")
    assert other.id != first.id


class NoLoyaltyPoints(HoldfastError):
    """The step after the hold fails."""

    code = "no_loyalty_points"
    status = 422


@step("charge-loyalty-points")
async def charge_loyalty_points(ctx: StepContext, booking_id: str) -> str:
    await ctx.resolve(BookingService).lock_booking(booking_id)
    raise NoLoyaltyPoints


@workflow("hold-with-points", version=1)
async def hold_with_points(data: HoldBookingSlot) -> Booking:
    service = await get_active_service(data.service_id)
    staff_ids = await validate_slot_availability(service, data.start_at, data.staff_id)
    made = await create_held_booking(data.request(service, staff_ids))
    await charge_loyalty_points(made.id)
    return made


async def test_a_failure_after_the_hold_rolls_the_booking_back(database_url: str, scope: Scope, shop: Shop) -> None:
    app = application_on(database_url, modules=[booking], workflows=[hold_with_points])
    wanted = HoldBookingSlot(service_id=shop.haircut.id, start_at=at(10), staff_id=shop.ann.id)
    async with app.running(), app.scope() as own:
        with pytest.raises(NoLoyaltyPoints):
            await hold_with_points.run(own, wanted)
        [(made_id,)] = await own.session.sql("SELECT id FROM booking")
        assert await own.resolve(BookingService).find_booking(made_id) is None
        assert await claims_of(own, made_id) == 0
    await hold_booking_slot.run(scope, wanted)
