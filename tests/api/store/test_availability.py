"""Slots over HTTP."""

from typing import Any

import httpx
import pytest

from ..conftest import Shop


async def slots(client: httpx.AsyncClient, shop: Shop, **query: Any) -> httpx.Response:
    params = {"date": shop.start()[:10], "service_id": shop.haircut.id, **query}
    headers = {"X-Manage-Token": params.pop("token")} if "token" in params else {}
    return await client.get("/store/bookings/availability", params=params, headers=headers)


def at(answer: httpx.Response, start: str) -> dict[str, Any]:
    return next(slot for slot in answer.json()["slots"] if slot["start_at"] == start)


async def test_lists_slots_with_their_shape(client: httpx.AsyncClient, shop: Shop) -> None:
    slot = at(await slots(client, shop), shop.start())
    assert slot.keys() == {"start_at", "end_at", "start_local", "timezone", "available", "staff_ids"}
    assert (slot["end_at"], slot["timezone"]) == (shop.start().replace(":00:00Z", ":30:00Z"), "Europe/Vienna")
    assert (slot["available"], slot["staff_ids"]) == (True, [shop.john.id])
    assert slot["start_local"][-6:] in ("+01:00", "+02:00")


async def test_shows_a_held_slot_as_taken_but_not_to_its_own_booking(client: httpx.AsyncClient, shop: Shop) -> None:
    held = (await client.post("/store/bookings", json=shop.hold())).json()
    taken = at(await slots(client, shop), shop.start())
    own = at(await slots(client, shop, booking_id=held["booking"]["id"], token=held["manage_token"]), shop.start())
    assert (taken["available"], taken["staff_ids"]) == (False, [])
    assert (own["available"], own["staff_ids"]) == (True, [shop.john.id])


async def test_asks_for_the_credential_of_a_booking(client: httpx.AsyncClient, shop: Shop) -> None:
    held = (await client.post("/store/bookings", json=shop.hold())).json()
    assert (await slots(client, shop, booking_id=held["booking"]["id"])).status_code == 401
    assert (await slots(client, shop, booking_id=held["booking"]["id"], token="wrong")).status_code == 403
    assert (await slots(client, shop, booking_id="book_x", token=held["manage_token"])).status_code == 404


async def test_shows_slots_in_the_zone_asked_for(client: httpx.AsyncClient, shop: Shop) -> None:
    slot = at(await slots(client, shop, timezone="Asia/Kathmandu"), shop.start())
    assert (slot["timezone"], slot["start_local"][-6:]) == ("Asia/Kathmandu", "+05:45")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"date": "2030-02-30"}, 400, "invalid_request"),
        ({"date": "20300101"}, 400, "invalid_request"),
        ({"date": ""}, 400, "invalid_request"),
        ({"days": "x"}, 400, "invalid_request"),
        ({"days": "1.5"}, 400, "invalid_request"),
        ({"days": "0"}, 422, "range_too_large"),
        ({"days": "43"}, 422, "range_too_large"),
        ({"days": "9" * 60}, 422, "range_too_large"),
        ({"timezone": "Mars/Olympus"}, 422, "invalid_data"),
        ({"timezone": ""}, 422, "invalid_data"),
        ({"service_id": "bksvc_x"}, 404, "not_found"),
        ({"staff_id": "x" * 7000}, 404, "not_found"),
        ({"staff_id": ""}, 404, "not_found"),
        ({"staff": "x"}, 400, "invalid_request"),
    ],
)
async def test_refuses_a_query(
    client: httpx.AsyncClient, shop: Shop, query: dict[str, str], status: int, code: str
) -> None:
    answer = await slots(client, shop, **query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("day", ["0001-01-01", "1969-12-31", "9999-12-31"])
async def test_offers_nothing_at_the_ends_of_time(client: httpx.AsyncClient, shop: Shop, day: str) -> None:
    answer = await slots(client, shop, date=day, days=42)
    assert (answer.status_code, answer.json()) == (200, {"slots": []})
