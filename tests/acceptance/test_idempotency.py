"""`Idempotency-Key`: the same request again gets the first answer again, and nobody else does."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from msgspec import Struct

from .site import BOOKINGS, CONTACT, Site

REPLAYED = "Idempotency-Replayed"
ROUTES = ("hold", "confirm", "cancel", "reschedule")


class Request(Struct, frozen=True):
    """A POST that can be repeated, and another body for it."""

    site: Site
    path: str
    body: dict[str, Any]
    other: dict[str, Any]
    token: str = ""

    async def send(self, key: str, *, body: dict[str, Any] | None = None, token: str | None = None) -> httpx.Response:
        """POST with the key."""
        credential = self.token if token is None else token
        headers = {"Idempotency-Key": key} | ({"X-Manage-Token": credential} if credential else {})
        return await self.site.http.post(self.path, json=body or self.body, headers=headers)


async def request_for(route: str, site: Site) -> Request:
    """Return a request that will be granted."""
    shop = await site.open_shop()
    if route == "hold":
        body = {"service_id": shop.service.id, "start_at": site.at(10).isoformat(), **CONTACT}
        return Request(site, BOOKINGS, body, body | {"start_at": site.at(12).isoformat()})
    ticket = await (shop.hold(site.at(10)) if route == "confirm" else shop.book(site.at(10)))
    body, other = {
        "confirm": ({"payment_mode": "pay_in_store"}, {"payment_mode": "pay_in_store", "customer_name": "Ann"}),
        "cancel": ({"reason": "ill"}, {"reason": "well"}),
        "reschedule": ({"start_at": site.at(12).isoformat()}, {"start_at": site.at(14).isoformat()}),
    }[route]
    return Request(site, f"{ticket.path}/{route}", body, other, ticket.token)


def new_key() -> str:
    return uuid4().hex


@pytest.mark.parametrize("route", ROUTES)
async def test_the_same_request_again_gets_the_first_answer_again(site: Site, route: str) -> None:
    request, key = await request_for(route, site), new_key()
    first, again = await request.send(key), await request.send(key)
    assert first.is_success
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers.get("Location") == first.headers.get("Location")
    assert (REPLAYED in first.headers, again.headers[REPLAYED]) == (False, "true")


@pytest.mark.parametrize("route", ROUTES)
async def test_the_same_key_with_another_body_is_refused(site: Site, route: str) -> None:
    request, key = await request_for(route, site), new_key()
    assert (await request.send(key)).is_success
    answer = await request.send(key, body=request.other)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
    assert (await request.send(key)).headers[REPLAYED] == "true"


@pytest.mark.parametrize("route", ROUTES)
async def test_of_equal_requests_at_once_one_is_carried_out(site: Site, route: str) -> None:
    request, key = await request_for(route, site), new_key()
    answers = await asyncio.gather(*(request.send(key) for _ in range(8)))
    assert all(answer.is_success and answer.json() == answers[0].json() for answer in answers)
    assert sum(REPLAYED not in answer.headers for answer in answers) == 1
    booking = await site.find(answers[0].json()["booking"]["id"])
    assert booking is not None
    assert booking.version == answers[0].json()["booking"]["version"]


@pytest.mark.parametrize("route", ROUTES)
async def test_another_caller_does_not_get_the_answer(site: Site, route: str) -> None:
    request, key = await request_for(route, site), new_key()
    assert (await request.send(key)).is_success
    stranger = await (await site.open_shop()).hold(site.at(10))
    answer = await request.send(key, token=stranger.token)
    assert REPLAYED not in answer.headers
    refused = (409, "slot_unavailable") if route == "hold" else (403, "forbidden")
    assert (answer.status_code, answer.json()["code"]) == refused
    if route != "hold":
        without = await site.http.post(request.path, json=request.body, headers={"Idempotency-Key": key})
        assert (without.status_code, without.json()["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("route", ROUTES)
async def test_the_length_of_a_key_is_checked(site: Site, route: str) -> None:
    request = await request_for(route, site)
    too_short = "k" * 15 if route == "hold" else ""
    for key in (too_short, "k" * 256):
        answer = await request.send(key)
        assert answer.status_code == 422, answer.text
        assert answer.json()["code"] == "invalid_data"
    shortest = new_key()[:16] if route == "hold" else "k"
    assert (await request.send(shortest)).is_success


async def test_a_key_of_255_characters_is_taken(site: Site) -> None:
    request = await request_for("hold", site)
    assert (await request.send(new_key().ljust(255, "k"))).status_code == 201


async def test_a_key_is_one_routes_own(site: Site) -> None:
    shop, key = await site.open_shop(), new_key()
    ticket = await shop.hold(site.at(10))
    for action, body in (
        ("confirm", {"payment_mode": "pay_in_store"}),
        ("reschedule", {"start_at": site.at(12).isoformat()}),
        ("cancel", {}),
    ):
        answer = await ticket.send(action, body, key)
        assert (answer.status_code, REPLAYED in answer.headers) == (200, False)


async def test_a_refused_hold_is_tried_anew(site: Site) -> None:
    request, key = await request_for("hold", site), new_key()
    taken = await request.send(new_key())
    assert (await request.send(key)).status_code == 409
    path, token = f"{BOOKINGS}/{taken.json()['booking']['id']}/cancel", taken.json()["manage_token"]
    await site.http.post(path, headers={"X-Manage-Token": token})
    answer = await request.send(key)
    assert (answer.status_code, REPLAYED in answer.headers) == (201, False)


@pytest.mark.parametrize("route", ["confirm", "reschedule"])
async def test_the_first_answer_outlives_what_happens_later(site: Site, route: str) -> None:
    request, key = await request_for(route, site), new_key()
    first = await request.send(key)
    cancel = await site.http.post(request.path.replace(route, "cancel"), headers={"X-Manage-Token": request.token})
    assert cancel.status_code == 200
    again = await request.send(key)
    assert (again.status_code, again.json(), again.headers[REPLAYED]) == (200, first.json(), "true")


async def test_a_replayed_hold_gives_the_token_again_and_keeps_its_end(site: Site) -> None:
    request, key = await request_for("hold", site), new_key()
    first = (await request.send(key)).json()
    async with site.moved(timedelta(minutes=5)):
        again = (await request.send(key)).json()
    assert again["manage_token"] == first["manage_token"]
    assert again["booking"]["hold_expires_at"] == first["booking"]["hold_expires_at"]
