"""What happens to a booking is told: once, with ids and times alone, and only if it stays so."""

from typing import Any

import msgspec
import pytest

from core.app import Application
from core.container import Scope
from core.errors import HoldfastError
from core.testing import application_on
from core.workflow import Events, Workflow, workflow
from modules.booking import Booking, BookingEvent, NewHold, PaymentMode, booking
from tests.modules.booking.shop import Shop, at, confirmed
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
from workflows.booking.steps import create_held_booking


async def told(scope: Scope, booking_id: str) -> dict[str, BookingEvent]:
    """What was told of a booking, by the name of the event; each once."""
    events = [
        (event.name, data)
        for event in reversed(await scope.resolve(Events).list(take=1000))
        if (data := msgspec.json.decode(event.data, type=BookingEvent)).booking_id == booking_id
    ]
    assert len(dict(events)) == len(events)
    return dict(events)


def book(shop: Shop, hour: int) -> HoldBookingSlot:
    return HoldBookingSlot(service_id=shop.haircut.id, start_at=at(hour), staff_id=shop.ann.id)


def in_store(held: Booking) -> ConfirmBooking:
    return ConfirmBooking(
        booking_id=held.id, payment_mode=PaymentMode.PAY_IN_STORE, customer_email="jo@example.com", customer_name="Jo"
    )


async def test_the_life_of_a_booking_is_told_in_order(scope: Scope, shop: Shop):
    held = await hold_booking_slot.run(scope, book(shop, 10))
    await confirm_booking.run(scope, in_store(held))
    await reschedule_booking.run(scope, RescheduleBooking(booking_id=held.id, start_at=at(12)))
    await complete_booking.run(scope, CompleteBooking(booking_id=held.id))
    events = await told(scope, held.id)
    assert [*events] == ["booking.held", "booking.confirmed", "booking.rescheduled", "booking.completed"]
    assert [event.version for event in events.values()] == [1, 2, 3, 4]
    moved = events["booking.rescheduled"]
    assert (moved.start_at, moved.previous_start_at, moved.previous_staff_id) == (at(12), at(10), shop.ann.id)
    assert events["booking.held"] == BookingEvent.of(held)


async def test_a_cancellation_and_a_no_show_are_told(scope: Scope, shop: Shop):
    cancelled, missed = await confirmed(scope, shop, at(10)), await confirmed(scope, shop, at(12))
    await cancel_booking.run(scope, CancelBooking(booking_id=cancelled.id, reason="rain"))
    await mark_no_show.run(scope, MarkNoShow(booking_id=missed.id))
    assert [*await told(scope, cancelled.id)] == ["booking.cancelled"]
    assert [*await told(scope, missed.id)] == ["booking.no_show"]


@pytest.mark.parametrize(
    ("change", "data", "more"),
    [
        (cancel_booking, CancelBooking, {}),
        (complete_booking, CompleteBooking, {}),
        (mark_no_show, MarkNoShow, {}),
        (reschedule_booking, RescheduleBooking, {"start_at": at(14)}),
    ],
    ids=["cancel", "complete", "no-show", "reschedule"],
)
async def test_what_is_so_already_is_not_told_again(
    scope: Scope, shop: Shop, change: Workflow[Any, Any], data: type[Any], more: dict[str, Any]
):
    made = await confirmed(scope, shop, at(10))
    await change.run(scope, data(booking_id=made.id, **more))
    await change.run(scope, data(booking_id=made.id, **more))
    assert len(await told(scope, made.id)) == 1


async def test_a_confirmation_that_is_asked_for_twice_is_told_once(scope: Scope, shop: Shop):
    held = await hold_booking_slot.run(scope, book(shop, 10))
    for _ in range(2):
        await confirm_booking.run(scope, in_store(held))
    assert [*await told(scope, held.id)] == ["booking.held", "booking.confirmed"]


async def test_a_hold_that_is_undone_was_never_told_of(application: Application, shop: Shop):
    class Declined(HoldfastError):
        """The card is declined."""

        code = "test_declined"

    @workflow("hold-and-be-declined", version=1)
    async def hold_and_be_declined(data: NewHold) -> None:
        held = await create_held_booking(data)
        raise Declined(held.id)

    app = application_on(application.config.database.url, modules=[booking], workflows=[hold_and_be_declined])
    async with app.running(), app.scope() as scope:
        wanted = NewHold(service=shop.haircut, staff_ids=[shop.ann.id], start_at=at(10))
        with pytest.raises(Declined) as declined:
            await hold_and_be_declined.run(scope, wanted)
        assert await told(scope, declined.value.detail) == {}


async def test_nothing_personal_is_told(scope: Scope, shop: Shop):
    held = await hold_booking_slot.run(scope, book(shop, 10))
    await confirm_booking.run(scope, in_store(held))
    rows = await scope.session.sql("SELECT data::text FROM outbox")
    assert len(rows) == 2
    assert not any(word in text for (text,) in rows for word in ("jo@example.com", "Jo", "token", "Haircut"))
    fields = {"booking_id", "version", "staff_id", "service_id", "customer_id", "start_at", "end_at"}
    assert {*BookingEvent.__struct_fields__} == fields | {"previous_staff_id", "previous_start_at"}
