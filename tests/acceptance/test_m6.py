"""Milestone 6: customers and their bookings."""

from typing import Any

from core.container import Scope
from modules.booking import BOOKING
from modules.customer import CUSTOMER, CreateCustomer, CustomerService
from workflows.booking import CancelBooking, HoldBookingSlot, cancel_booking, hold_booking_slot

from .site import Shop, Site


async def test_m6_t2_a_customer_is_read_with_their_bookings(site: Site) -> None:
    shop = await site.open_shop()
    async with site.application.scope() as scope:
        async with scope.transaction():
            kim, lee = await scope.resolve(CustomerService).customers.create(
                [CreateCustomer(first_name="Kim"), CreateCustomer(first_name="Lee")]
            )
        await shop.hold(site.at(9))  # a guest's
        first = await hold(scope, shop, 10, kim.id)
        second = await hold(scope, shop, 11, kim.id)
        await hold(scope, shop, 12, lee.id)
        await cancel_booking.run(scope, CancelBooking(booking_id=first))
        found = await customer(scope, kim.id)
        assert found["first_name"] == "Kim"
        assert sorted(found["bookings"], key=lambda booking: booking["start_at"]) == [
            {"id": first, "status": "cancelled", "start_at": site.at(10), "staff": {"name": shop.staff[0].name}},
            {"id": second, "status": "held", "start_at": site.at(11), "staff": {"name": shop.staff[0].name}},
        ]
        theirs = await scope.query.graph(
            BOOKING,
            fields=["id", "customer.first_name"],
            filters={"customer.id": kim.id, "status": "held"},
            count=True,
        )
        assert (theirs.data, theirs.count) == ([{"id": second, "customer": {"first_name": "Kim"}}], 1)


async def hold(scope: Scope, shop: Shop, hour: int, customer_id: str) -> str:
    """Hold a slot for a customer; return the booking's id."""
    wanted = HoldBookingSlot(service_id=shop.service.id, start_at=shop.site.at(hour), customer_id=customer_id)
    return (await hold_booking_slot.run(scope, wanted)).id


async def customer(scope: Scope, id: str) -> dict[str, Any]:
    """A customer with their bookings."""
    fields = ["first_name", "bookings.id", "bookings.status", "bookings.start_at", "bookings.staff.name"]
    return await scope.query.one(CUSTOMER, fields=fields, filters={"id": id})
