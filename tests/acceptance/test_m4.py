"""Milestone 4: bookings and the orders that they are paid by."""

import pytest

from core.container import Scope
from core.link import Links, LinkTaken
from links.booking_order import booking_order
from modules.booking import BOOKING
from modules.order import ORDER, CreateOrder, CreateOrderItem, Order, OrderService

from .site import CONTACT, Site, Ticket


async def ordered(scope: Scope, ticket: Ticket) -> Order:
    """An order over the price of a booking, linked to it."""
    item = CreateOrderItem(title=ticket.booking["service_name"], unit_price=ticket.booking["price_amount"])
    wanted = CreateOrder(currency_code="usd", email=CONTACT["customer_email"], items=[item])
    async with scope.transaction():
        [order] = await scope.resolve(OrderService).create_orders([wanted])
        await scope.resolve(Links).create(booking_order, [(ticket.id, order.id)])
    return order


async def test_m4_t4_a_booking_is_read_with_its_order(site: Site) -> None:
    shop = await site.open_shop()
    ticket, other = await shop.hold(site.at(10)), await shop.hold(site.at(12))
    async with site.application.scope() as scope:
        order = await ordered(scope, ticket)
        page = await scope.query.graph(
            BOOKING,
            fields=["*", "order.*", "order.items.title"],
            filters={"id": [ticket.id, other.id]},
            order={"start_at": "asc"},
        )
        assert [found["id"] for found in page.data] == [ticket.id, other.id]
        [first, second] = page.data
        assert (first["customer_email"], first["start_at"]) == (CONTACT["customer_email"], site.at(10))
        assert first["order"] == {
            "id": order.id,
            "display_id": order.display_id,
            "status": "pending",
            "currency_code": "usd",
            "email": CONTACT["customer_email"],
            "total": 2500,
            "metadata": None,
            "created_at": order.created_at,
            "updated_at": order.updated_at,
            "deleted_at": None,
            "items": [{"title": "Haircut"}],
        }
        assert second["order"] is None
        with pytest.raises(LinkTaken):
            await ordered(scope, ticket)


async def test_m4_t5_an_order_is_read_with_its_booking(site: Site) -> None:
    shop = await site.open_shop()
    ticket = await shop.hold(site.at(10))
    async with site.application.scope() as scope:
        order = await ordered(scope, ticket)
        found = await scope.query.one(
            ORDER,
            fields=["id", "booking.id", "booking.start_at", "booking.staff.name", "booking.service.name"],
            filters={"booking.id": ticket.id},
        )
        assert found == {
            "id": order.id,
            "booking": {
                "id": ticket.id,
                "start_at": site.at(10),
                "staff": {"name": shop.staff[0].name},
                "service": {"name": "Haircut"},
            },
        }
        async with scope.transaction():
            await scope.resolve(Links).dismiss(booking_order, [(ticket.id, order.id)])
        alone = await scope.query.one(ORDER, fields=["booking.id"], filters={"id": order.id})
        assert alone == {"booking": None}
