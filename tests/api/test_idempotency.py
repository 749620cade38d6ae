"""Keys of runs out of the `Idempotency-Key` header."""

from typing import Any

import httpx
import pytest
from litestar import Request

from api.idempotency import idempotency_key
from core.errors import InvalidData

from .conftest import Shop

KEY = "0123456789abcdef"


def key(
    header: str | None = KEY, *, token: str = "", path: str = "/store/bookings", method: str = "POST"
) -> str | None:
    named = {"idempotency-key": header, "x-manage-token": token or None}
    headers = [(name.encode(), value.encode()) for name, value in named.items() if value is not None]
    scope: Any = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": headers}
    return idempotency_key(Request(scope))


def test_is_the_same_for_the_same_caller_route_and_header() -> None:
    assert key() == key() != KEY


@pytest.mark.parametrize(
    "other",
    [
        {"header": "fedcba9876543210"},
        {"token": "token"},
        {"path": "/store/bookings/"},
        {"path": "/store/bookings/%41"},
        {"method": "PUT"},
    ],
)
def test_differs_for_anything_else(other: dict[str, str]) -> None:
    assert key(**other) != key()


def test_there_is_none_without_the_header() -> None:
    assert key(None) is None


@pytest.mark.parametrize(("header", "token"), [("", "token"), ("x" * 256, "token"), ("x" * 15, ""), ("", "")])
def test_refuses_a_header_of_the_wrong_length(header: str, token: str) -> None:
    with pytest.raises(InvalidData):
        key(header, token=token)


def test_a_credential_allows_a_short_header() -> None:
    assert key("x", token="token")


async def test_gives_the_first_answer_again(client: httpx.AsyncClient, shop: Shop) -> None:
    first = await client.post("/store/bookings", json=shop.hold(), headers={"Idempotency-Key": KEY})
    again = await client.post("/store/bookings", json=shop.hold(), headers={"Idempotency-Key": KEY})
    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.json(), again.headers["location"]) == (first.json(), first.headers["location"])
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"


async def test_refuses_the_key_with_another_body(client: httpx.AsyncClient, shop: Shop) -> None:
    await client.post("/store/bookings", json=shop.hold(), headers={"Idempotency-Key": KEY})
    other = await client.post("/store/bookings", json=shop.hold(1), headers={"Idempotency-Key": KEY})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


async def test_computes_a_conflict_anew(client: httpx.AsyncClient, shop: Shop) -> None:
    held = (await client.post("/store/bookings", json=shop.hold())).json()
    refused = await client.post("/store/bookings", json=shop.hold(), headers={"Idempotency-Key": KEY})
    await client.post(
        f"/store/bookings/{held['booking']['id']}/cancel", headers={"X-Manage-Token": held["manage_token"]}
    )
    later = await client.post("/store/bookings", json=shop.hold(), headers={"Idempotency-Key": KEY})
    assert (refused.status_code, later.status_code) == (409, 201)
    assert "idempotency-replayed" not in later.headers
