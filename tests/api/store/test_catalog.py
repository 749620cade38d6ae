"""What can be booked, and with whom."""

import httpx

from core.app import Application
from modules.booking import BookingService, CreateService, CreateStaff, UpdateService, UpdateStaff

from ..conftest import Shop


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
