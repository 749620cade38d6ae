"""What can be booked, and with whom."""

from typing import Any

import httpx
import msgspec
import pytest

from api.views import ServiceView, StaffView
from core.app import Application
from modules.booking import BookingService, CreateService, CreateStaff, UpdateService, UpdateStaff

from ..conftest import Shop

VIEWS = [("services", ServiceView), ("staff", StaffView)]


async def first(client: httpx.AsyncClient, plural: str, fields: str | None = None) -> dict[str, Any]:
    """The first record of a list, with some fields or with all of them."""
    answer = await client.get(f"/store/bookings/{plural}", params={} if fields is None else {"fields": fields})
    return answer.json()[plural][0]


async def test_lists_active_services_by_name(client: httpx.AsyncClient, application: Application, shop: Shop) -> None:
    async with application.scope() as scope, scope.transaction():
        booking = scope.resolve(BookingService)
        [_, hidden] = await booking.services.create(
            [CreateService(name="Beard", price=1500), CreateService(name="Perm", price=9000)]
        )
        await booking.services.update([UpdateService(id=hidden.id, is_active=False)])
    services = (await client.get("/store/bookings/services")).json()["services"]
    assert [service["name"] for service in services] == ["Beard", "Haircut"]
    assert services[1] == {
        "id": shop.haircut.id,
        "name": "Haircut",
        "description": None,
        "duration_minutes": 30,
        "buffer_minutes": 0,
        "price": 2500,
        "currency_code": "usd",
        "deposit_type": "none",
        "deposit_value": None,
        "payment_modes_allowed": ["pay_in_store"],
        "is_active": True,
        "metadata": None,
        "created_at": services[1]["created_at"],
        "updated_at": services[1]["updated_at"],
        "deleted_at": None,
    }
    assert services[1]["created_at"].endswith("Z")


async def test_answers_the_fields_asked_for(client: httpx.AsyncClient, shop: Shop) -> None:
    answer = await client.get("/store/bookings/services?fields=id,%20price")
    assert answer.json() == {"services": [{"id": shop.haircut.id, "price": 2500}]}
    answer = await client.get("/store/bookings/staff?fields=name")
    assert answer.json() == {"staff": [{"name": "John"}]}


@pytest.mark.parametrize(("plural", "view"), VIEWS)
async def test_a_field_asked_for_alone_is_the_same(
    client: httpx.AsyncClient, shop: Shop, plural: str, view: type[msgspec.Struct]
) -> None:
    assert shop.john.is_active
    whole = await first(client, plural)
    assert list(whole) == list(view.__struct_fields__)
    for name in view.__struct_fields__:
        assert await first(client, plural, name) == {name: whole[name]}
    assert await first(client, plural, ",".join(reversed(view.__struct_fields__))) == whole


@pytest.mark.parametrize("plural", ["services", "staff"])
@pytest.mark.parametrize(
    "fields",
    [
        "",
        "*",
        "id,",
        ",id",
        "id;name",
        "ID",
        "email",
        "min_notice_minutes",
        "bookings.id",
        "product.title",
        "$or",
        "\0",
    ],
)
async def test_no_other_fields_can_be_asked_for(
    client: httpx.AsyncClient, shop: Shop, plural: str, fields: str
) -> None:
    assert shop.john.is_active
    answer = await client.get(f"/store/bookings/{plural}", params={"fields": fields})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert [error["field"] for error in answer.json()["errors"]] == ["fields"]


async def test_lists_nothing_that_was_deleted(client: httpx.AsyncClient, application: Application, shop: Shop) -> None:
    async with application.scope() as scope, scope.transaction():
        booking = scope.resolve(BookingService)
        await booking.services.soft_delete([shop.haircut.id])
        await booking.staff.soft_delete([shop.john.id])
    assert (await client.get("/store/bookings/services")).json() == {"services": []}
    assert (await client.get("/store/bookings/staff")).json() == {"staff": []}


async def test_shows_of_staff_what_is_public(client: httpx.AsyncClient, shop: Shop) -> None:
    answer = await client.get("/store/bookings/staff")
    john = {"id": shop.john.id, "name": "John", "bio": None, "avatar_url": None, "timezone": "Europe/Vienna"}
    assert answer.json() == {"staff": [john]}


async def test_does_not_let_private_fields_be_asked_for(client: httpx.AsyncClient, shop: Shop) -> None:
    assert shop.john.email
    assert (await client.get("/store/bookings/staff?fields=email")).status_code == 400


async def test_lists_the_active_staff_who_offer_a_service(
    client: httpx.AsyncClient, application: Application, shop: Shop
) -> None:
    async with application.scope() as scope, scope.transaction():
        booking = scope.resolve(BookingService)
        [jane, joe] = await booking.staff.create([CreateStaff(name="Jane"), CreateStaff(name="Joe")])
        [beard] = await booking.services.create([CreateService(name="Beard", price=1500)])
        await booking.set_service_staff(beard.id, [jane.id, joe.id])
        await booking.staff.update([UpdateStaff(id=joe.id, is_active=False)])
    offering = await client.get("/store/bookings/staff", params={"service_id": beard.id})
    everybody = await client.get("/store/bookings/staff", params={"service_id": shop.haircut.id})
    assert [one["name"] for one in offering.json()["staff"]] == ["Jane"]
    assert [one["name"] for one in everybody.json()["staff"]] == ["Jane", "John"]


async def test_knows_no_staff_of_an_unknown_service(client: httpx.AsyncClient, shop: Shop) -> None:
    for service_id in ("bksvc_01M81ZXEHZ073BKHAG17VNNFKN", "x" * 7000, "\0", ""):
        answer = await client.get("/store/bookings/staff", params={"service_id": service_id})
        assert answer.status_code == 404, service_id
    assert shop.john.is_active
