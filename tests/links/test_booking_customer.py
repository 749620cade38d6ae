"""A booking's `customer_id` and its link say the same, and the doctor compares them."""

from core.app import Application
from core.container import Scope
from core.link import Links
from links.booking_customer import booking_customer

from .records import Records

[CHECK] = booking_customer.checks.values()


async def set_customer(scope: Scope, booking_id: str, customer_id: str | None) -> None:
    """Write the column alone, past the step that writes both."""
    async with scope.transaction() as transaction:
        values = {"id": booking_id, "customer_id": customer_id}
        await transaction.sql("UPDATE booking SET customer_id = %(customer_id)s WHERE id = %(id)s", values)


async def test_guests_without_a_customer_are_no_violation(scope: Scope, records: Records) -> None:
    assert records.bookings
    assert await CHECK(scope) == []


async def test_a_column_without_its_link_and_a_link_without_its_column_are_found(
    scope: Scope, records: Records, links: Links
) -> None:
    (first, second), (kim, lee) = records.bookings, records.customers
    await set_customer(scope, first.id, kim.id)
    assert await CHECK(scope) == [f"booking {first.id} is of {kim.id} and linked to nobody"]
    async with scope.transaction():
        await links.create(booking_customer, [(first.id, kim.id), (second.id, lee.id)])
    assert await CHECK(scope) == [f"booking {second.id} is of nobody and linked to {lee.id}"]
    await set_customer(scope, second.id, lee.id)
    assert await CHECK(scope) == []


async def test_another_customer_and_a_dismissed_link_are_found(scope: Scope, records: Records, links: Links) -> None:
    (first, second), (kim, lee) = records.bookings, records.customers
    async with scope.transaction():
        await links.create(booking_customer, [(first.id, kim.id), (second.id, kim.id)])
    await set_customer(scope, first.id, lee.id)
    await set_customer(scope, second.id, kim.id)
    async with scope.transaction():
        await links.dismiss(booking_customer, [(second.id, kim.id)])
    assert set(await CHECK(scope)) == {
        f"booking {first.id} is of {lee.id} and linked to {kim.id}",
        f"booking {second.id} is of {kim.id} and linked to nobody",
    }


async def test_the_shop_brings_the_check_along(application: Application) -> None:
    checks = {name: check for link in application.links.values() for name, check in link.checks.items()}
    assert checks["a booking is linked to its customer"] is CHECK
