"""A booking's way over HTTP."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from core.app import Application
from core.testing import move_clock

from ..conftest import Shop

IN_STORE = {"payment_mode": "pay_in_store", "customer_email": "ann@example.com"}


async def hold(client: httpx.AsyncClient, shop: Shop, hours: int = 0, **fields: object) -> dict[str, Any]:
    answer = await client.post("/store/bookings", json=shop.hold(hours, **fields))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def act(
    client: httpx.AsyncClient, held: dict[str, Any], action: str, body: object = None, **headers: str
) -> httpx.Response:
    headers = {"X-Manage-Token": held["manage_token"], **headers}
    return await client.post(f"/store/bookings/{held['booking']['id']}/{action}", json=body or {}, headers=headers)


async def look(client: httpx.AsyncClient, held: dict[str, Any]) -> httpx.Response:
    headers = {"X-Manage-Token": held["manage_token"]}
    return await client.get(f"/store/bookings/{held['booking']['id']}", headers=headers)


async def test_holds_a_slot(client: httpx.AsyncClient, shop: Shop) -> None:
    answer = await client.post("/store/bookings", json=shop.hold(timezone="America/New_York", customer_name="Ann"))
    booking = answer.json()["booking"]
    assert (answer.status_code, answer.headers["location"]) == (201, f"/store/bookings/{booking['id']}")
    assert booking == {
        "id": booking["id"],
        "display_id": booking["display_id"],
        "staff_id": shop.john.id,
        "service_id": shop.haircut.id,
        "customer_id": None,
        "start_at": shop.start(),
        "end_at": shop.start().replace(":00:00Z", ":30:00Z"),
        "status": "held",
        "hold_expires_at": booking["hold_expires_at"],
        "service_name": "Haircut",
        "price_amount": 2500,
        "currency_code": "usd",
        "deposit_amount": None,
        "payment_mode": None,
        "amount_paid": None,
        "customer_email": None,
        "customer_phone": None,
        "customer_name": "Ann",
        "customer_timezone": "America/New_York",
        "notes": None,
        "confirmed_at": None,
        "cancelled_at": None,
        "completed_at": None,
        "metadata": None,
        "created_at": booking["created_at"],
        "updated_at": booking["updated_at"],
        "deleted_at": None,
        "version": 1,
        "timezone": "Europe/Vienna",
        "start_local": booking["start_local"],
        "amount_due": 2500,
        "staff": {"id": shop.john.id, "name": "John"},
        "service": {"id": shop.haircut.id, "name": "Haircut"},
    }
    assert booking["hold_expires_at"].endswith("Z")
    assert booking["start_local"][-6:] in ("+01:00", "+02:00")


async def test_goes_the_whole_way(client: httpx.AsyncClient, shop: Shop) -> None:
    held = await hold(client, shop)
    confirmed = await act(client, held, "confirm", IN_STORE)
    assert (confirmed.status_code, confirmed.json()["booking"]["status"]) == (200, "confirmed")
    assert (confirmed.json()["cart"], confirmed.json()["order"]) == (None, None)
    moved = await act(client, held, "reschedule", {"start_at": shop.start(2)})
    assert (moved.status_code, moved.json()["booking"]["start_at"]) == (200, shop.start(2))
    cancelled = await act(client, held, "cancel", {"reason": "ill"})
    assert (cancelled.status_code, cancelled.json()["refund"]) == (200, None)
    assert (cancelled.json()["booking"]["status"], cancelled.json()["booking"]["amount_due"]) == ("cancelled", 0)
    assert (await look(client, held)).json() == {"booking": cancelled.json()["booking"]}


async def test_refuses_a_taken_slot_with_alternatives(client: httpx.AsyncClient, shop: Shop) -> None:
    await hold(client, shop)
    answer = await client.post("/store/bookings", json=shop.hold())
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["title"]) == (409, "slot_unavailable", "Slot not available")
    assert len(problem["alternatives"]) == 5
    first = problem["alternatives"][0]
    assert (first["available"], first["staff_ids"], first["start_at"][-1]) == (True, [shop.john.id], "Z")


async def test_cancels_without_a_body(client: httpx.AsyncClient, shop: Shop) -> None:
    held = await hold(client, shop)
    headers = {"X-Manage-Token": held["manage_token"]}
    answer = await client.post(f"/store/bookings/{held['booking']['id']}/cancel", headers=headers)
    assert (answer.status_code, answer.json()["booking"]["status"]) == (200, "cancelled")


async def test_an_expired_hold_is_gone_but_not_forgotten(
    client: httpx.AsyncClient, application: Application, shop: Shop
) -> None:
    held = await hold(client, shop)
    await move_clock(application, timedelta(minutes=11))
    assert (await look(client, held)).status_code == 404
    confirmed = await act(client, held, "confirm", IN_STORE)
    assert (confirmed.status_code, confirmed.json()["code"]) == (409, "hold_expired")
    assert confirmed.json()["alternatives"]
    assert (await act(client, held, "cancel")).json()["code"] == "hold_expired"


async def test_wants_a_contact_to_confirm(client: httpx.AsyncClient, shop: Shop) -> None:
    held = await hold(client, shop)
    answer = await act(client, held, "confirm", {"payment_mode": "pay_in_store"})
    assert (answer.status_code, answer.json()["code"]) == (422, "contact_required")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"start_at": "2030-01-31T10:00"}, 400, "timezone_required"),
        ({"start_at": "2030-01-31"}, 400, "invalid_request"),
        ({"start_at": 1893492000}, 400, "invalid_request"),
        ({"start_at": "2030-03-31T02:30", "timezone": "Europe/Vienna"}, 422, "nonexistent_local_time"),
        ({"start_at": "2030-10-27T02:30", "timezone": "Europe/Vienna"}, 422, "ambiguous_local_time"),
        ({"timezone": "Mars/Olympus"}, 422, "invalid_data"),
        ({"start_at": "1969-12-31T23:00:00Z"}, 422, "in_past"),
        ({"start_at": "0001-01-01T00:00:00Z"}, 422, "in_past"),
        ({"start_at": "9999-12-31T23:45:00Z"}, 422, "too_far_ahead"),
        ({"start_at": "2030-01-31T10:07:00Z"}, 422, "off_grid"),
        ({"start_at": "2030-01-31T10:00:00.000001Z"}, 422, "off_grid"),
        ({"service_id": "bksvc_x"}, 404, "not_found"),
        ({"service_id": "x" * 9000}, 404, "not_found"),
        ({"staff_id": "bkstf_x"}, 404, "not_found"),
        ({"customer_email": "a@b@c"}, 422, "invalid_data"),
        ({"customer_email": "a b@c"}, 422, "invalid_data"),
        ({"customer_email": "a@b\r\nBcc: c@d"}, 422, "invalid_data"),
        ({"customer_email": "a@b\n"}, 422, "invalid_data"),
        ({"customer_email": "a" * 250 + "@b.at"}, 422, "invalid_data"),
        ({"customer_phone": "call me"}, 422, "invalid_data"),
        ({"customer_name": "Ann\x1b[2J"}, 422, "invalid_data"),
        ({"customer_name": "x" * 201}, 422, "invalid_data"),
        ({"notes": "x" * 2001}, 422, "invalid_data"),
        ({"price_amount": 1}, 400, "unknown_field"),
        ({"status": "confirmed"}, 400, "unknown_field"),
        ({"end_at": "2030-01-31T10:00Z"}, 400, "unknown_field"),
        ({"customer_id": "cus_1"}, 400, "unknown_field"),
    ],
)
async def test_refuses_a_hold(
    client: httpx.AsyncClient, shop: Shop, fields: dict[str, object], status: int, code: str
) -> None:
    answer = await client.post("/store/bookings", json=shop.hold() | fields)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_takes_names_of_any_script(client: httpx.AsyncClient, shop: Shop) -> None:
    held = await hold(
        client, shop, customer_name="शिव 👩‍🚀 O\u2019Neil\u00a0Jr", notes="two\nlines", customer_phone="+43 1 234"
    )
    assert held["booking"]["customer_name"] == "शिव 👩‍🚀 O\u2019Neil\u00a0Jr"
