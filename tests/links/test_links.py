"""The links of the shop: who has how many of what, and what each side is called."""

import pytest

from core.app import Application
from core.container import Scope
from core.errors import NotFound
from core.link import Link, Links, LinkTaken
from links.booking_customer import booking_customer
from links.booking_order import booking_order
from links.order_customer import order_customer
from links.service_product import service_product

from .records import Records

KINDS = {"booking": "bookings", "customer": "customers", "order": "orders", "product": "products"}
ALL = [booking_customer, booking_order, order_customer, service_product]


def ids(records: Records, entity: str) -> tuple[str, str]:
    """Two ids of an entity; the only service has no second one."""
    if entity == "service":
        return records.service.id, "bksvc_unknown"
    first, second = getattr(records, KINDS[entity])
    return first.id, second.id


async def test_the_shop_has_the_links_that_stand_in_their_folder(application: Application) -> None:
    assert set(application.links.values()) == set(ALL)


@pytest.mark.parametrize(
    ("link", "lefts_per_right", "rights_per_left"),
    [
        (booking_order, "one", "one"),
        (booking_customer, "many", "one"),
        (order_customer, "many", "one"),
    ],
    ids=lambda value: value.name if isinstance(value, Link) else value,
)
async def test_a_side_has_as_many_partners_as_it_may(
    scope: Scope, records: Records, links: Links, link: Link, lefts_per_right: str, rights_per_left: str
) -> None:
    left, other_left = ids(records, link.left.entity.name)
    right, other_right = ids(records, link.right.entity.name)
    async with scope.transaction():
        await links.create(link, [(left, right)])
    for pair, number in (((other_left, right), lefts_per_right), ((left, other_right), rights_per_left)):
        if number == "many":
            async with scope.transaction():
                await links.create(link, [pair])
        else:
            with pytest.raises(LinkTaken):
                async with scope.transaction():
                    await links.create(link, [pair])


async def test_a_service_has_one_product_and_a_product_one_service(
    scope: Scope, records: Records, links: Links
) -> None:
    haircut, trim = records.products
    async with scope.transaction():
        await links.create(service_product, [(records.service.id, haircut.id)])
    with pytest.raises(LinkTaken):
        async with scope.transaction():
            await links.create(service_product, [(records.service.id, trim.id)])
    async with scope.transaction():
        await links.dismiss(service_product, [(records.service.id, haircut.id)])
        [pair] = await links.create(service_product, [(records.service.id, trim.id)])
    assert (pair.left_id, pair.right_id) == (records.service.id, trim.id)


@pytest.mark.parametrize("link", ALL, ids=lambda link: link.name)
async def test_what_is_not_there_cannot_be_linked(scope: Scope, records: Records, links: Links, link: Link) -> None:
    left, right = ids(records, link.left.entity.name)[0], ids(records, link.right.entity.name)[0]
    for pair in ((left, "unknown"), ("unknown", right)):
        with pytest.raises(NotFound):
            async with scope.transaction():
                await links.create(link, [pair])
    assert await links.list(link) == []


def test_each_side_has_the_name_that_one_would_expect() -> None:
    names = {link.name: (link.left.name, link.right.name) for link in ALL}
    assert names == {
        "booking_customer": ("bookings", "customer"),
        "booking_order": ("booking", "order"),
        "order_customer": ("orders", "customer"),
        "service_product": ("service", "product"),
    }
