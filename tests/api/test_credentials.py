"""Who may see and change a booking."""

from typing import Any

import httpx
import pytest

from .conftest import Shop

UNKNOWN = "book_01M81ZXEHZ073BKHAG17VNNFKN"
ACTIONS: list[tuple[str, str, Any]] = [
    ("GET", "", None),
    ("POST", "/confirm", {"payment_mode": "pay_in_store"}),
    ("POST", "/cancel", {}),
    ("POST", "/reschedule", {"start_at": "2030-01-31T10:00Z"}),
]
EVERY_ACTION = pytest.mark.parametrize(("method", "action", "body"), ACTIONS)


async def held(client: httpx.AsyncClient, shop: Shop, hours: int = 0) -> tuple[str, str]:
    answer = (await client.post("/store/bookings", json=shop.hold(hours))).json()
    return answer["booking"]["id"], answer["manage_token"]


async def ask(client: httpx.AsyncClient, to: tuple[str, str, Any], booking_id: str, **headers: str) -> tuple[int, str]:
    method, action, body = to
    names = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = await client.request(method, f"/store/bookings/{booking_id}{action}", json=body, headers=names)
    return answer.status_code, answer.json().get("code", "")


@EVERY_ACTION
async def test_wants_a_credential_whatever_the_id(
    client: httpx.AsyncClient, shop: Shop, method: str, action: str, body: Any
) -> None:
    booking_id, _ = await held(client, shop)
    for each in (booking_id, UNKNOWN, "x"):
        for headers in ({}, {"X_Manage_Token": ""}, {"Authorization": "Bearer abc"}, {"Authorization": "Basic abc"}):
            assert await ask(client, (method, action, body), each, **headers) == (401, "unauthorized")


@EVERY_ACTION
async def test_refuses_a_token_that_is_not_of_this_booking(
    client: httpx.AsyncClient, shop: Shop, method: str, action: str, body: Any
) -> None:
    booking_id, token = await held(client, shop)
    _, other = await held(client, shop, 3)
    flipped = token[:-1] + chr(ord(token[-1]) ^ 1)
    for wrong in (other, token[:-1], token + "=", token.swapcase(), flipped, "\xff", "x" * 5000):
        assert await ask(client, (method, action, body), booking_id, X_Manage_Token=wrong) == (403, "forbidden")


@EVERY_ACTION
async def test_knows_no_other_ids(client: httpx.AsyncClient, shop: Shop, method: str, action: str, body: Any) -> None:
    _, token = await held(client, shop)
    for booking_id in (UNKNOWN, "x", "x" * 3000, "%00", "%F0%9F%92%88", "book_%25"):
        assert await ask(client, (method, action, body), booking_id, X_Manage_Token=token) == (404, "not_found")


async def test_an_unknown_bearer_token_does_not_spoil_a_manage_token(client: httpx.AsyncClient, shop: Shop) -> None:
    booking_id, token = await held(client, shop)
    both = {"X_Manage_Token": token, "Authorization": "Bearer abc"}
    assert await ask(client, ACTIONS[0], booking_id, **both) == (200, "")


async def test_does_not_take_an_unknown_customer_for_a_guest(client: httpx.AsyncClient, shop: Shop) -> None:
    answer = await client.post("/store/bookings", json=shop.hold(), headers={"Authorization": "Bearer abc"})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("query", ["", "?limit=5&offset=5", "?whatever=1"])
async def test_lists_nothing_for_guests(client: httpx.AsyncClient, shop: Shop, query: str) -> None:
    _, token = await held(client, shop)
    answer = await client.get(f"/store/bookings{query}", headers={"X-Manage-Token": token})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_looking_changes_nothing(client: httpx.AsyncClient, shop: Shop) -> None:
    booking_id, token = await held(client, shop)
    headers = {"X-Manage-Token": token}
    before = (await client.get(f"/store/bookings/{booking_id}", headers=headers)).json()
    for method in ("GET", "HEAD", "OPTIONS"):
        for action in ("", "/confirm", "/cancel", "/reschedule"):
            await client.request(method, f"/store/bookings/{booking_id}{action}", headers=headers)
    assert (await client.get(f"/store/bookings/{booking_id}", headers=headers)).json() == before


BODIES = {
    "no JSON": b"{",
    "an unknown field": b'{"price_amount": 1}',
    "a bad value": b'{"payment_mode": "barter", "reason": 5, "start_at": "soon"}',
    "too large": b'{"reason": "' + b"x" * 70_000 + b'"}',
}


@pytest.mark.parametrize("media_type", ["application/json", "text/plain"])
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(("method", "action"), [(method, action) for method, action, _ in ACTIONS])
async def test_the_booking_goes_before_what_is_sent(
    client: httpx.AsyncClient, shop: Shop, method: str, action: str, body: str, media_type: str
) -> None:
    booking_id, token = await held(client, shop)
    wrong = {"X-Manage-Token": token[:-1]}
    cases: list[tuple[str, dict[str, str], int]] = [
        (UNKNOWN, {}, 401),
        (booking_id, {}, 401),
        (UNKNOWN, wrong, 404),
        (booking_id, wrong, 403),
    ]
    for each, headers, status in cases:
        answer = await client.request(
            method,
            f"/store/bookings/{each}{action}?whatever=1",
            content=BODIES[body],
            headers={"Content-Type": media_type, **headers},
        )
        assert answer.status_code == status, (each, headers, answer.text)


@pytest.mark.parametrize("query", ["x=1", "%00", "x" * 9000], ids=["unknown", "NUL", "too long"])
@EVERY_ACTION
async def test_refuses_a_query_once_the_booking_is_known(
    client: httpx.AsyncClient, shop: Shop, method: str, action: str, body: Any, query: str
) -> None:
    booking_id, token = await held(client, shop)
    asked = (method, f"{action}?{query}", body)
    assert await ask(client, asked, booking_id, X_Manage_Token=token) == (400, "invalid_request")
    assert await ask(client, asked, UNKNOWN, X_Manage_Token=token) == (404, "not_found")
