"""Attacks on credentials, on reading and on idempotency keys."""

import asyncio
import base64
from collections import Counter
from typing import Any

import httpx
import pytest

from .ledger import ledger
from .site import BOOKINGS, Shop, Site, Ticket
from .test_attacks import problem

KEY = "a key of a guest that is long enough"


async def try_all(ticket: Ticket, headers: dict[str, str] | dict[bytes, bytes]) -> list[httpx.Response]:
    """Ask for everything that a booking's credential opens."""
    http, query = ticket.site.http, {"service_id": ticket.booking["service_id"], "date": "2030-01-01"}
    return [
        await http.get(ticket.path, headers=headers),
        await http.post(f"{ticket.path}/confirm", json={"payment_mode": "pay_in_store"}, headers=headers),
        await http.post(f"{ticket.path}/cancel", headers=headers),
        await http.post(
            f"{ticket.path}/reschedule", json={"start_at": ticket.site.at(15).isoformat()}, headers=headers
        ),
        await http.get(f"{BOOKINGS}/availability", params=query | {"booking_id": ticket.id}, headers=headers),
    ]


def spoilt(token: str) -> dict[str, str]:
    """Return tokens that are almost right."""
    raw = bytearray(base64.urlsafe_b64decode(token + "=="))
    raw[-1] ^= 0x10
    flipped = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    return {
        "cut": token[:-1],
        "longer": token + "A",
        "padded": token + "=",
        "one bit": flipped,
        "case": token.swapcase(),
        "not ascii": token[:-1] + "é",
        "null": "null",
        "long": token * 1000,
    }


@pytest.mark.parametrize("how", ["of another booking", *spoilt("A" * 43)])
async def test_case_45_a_token_that_does_not_cover_the_booking_is_forbidden(site: Site, how: str) -> None:
    shop = await site.open_shop()
    mine, other = await shop.hold(site.at(10)), await shop.hold(site.at(12))
    token = other.token if how == "of another booking" else spoilt(mine.token)[how]
    assert token != mine.token
    before = await ledger(site)
    answers = await try_all(mine, {b"X-Manage-Token": token.encode("latin-1")})
    assert Counter(map(problem, answers)) == {(403, "forbidden"): 5}
    assert await ledger(site) == before
    assert (await mine.confirm()).status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"X-Manage-Token": ""}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp4"}]
)
async def test_case_45_an_id_alone_opens_nothing(site: Site, headers: dict[str, str]) -> None:
    shop = await site.open_shop()
    ticket = await shop.hold(site.at(10))
    before = await ledger(site)
    for target in ticket, Ticket(site, "book_unknown", "", ticket.booking):
        assert Counter(map(problem, await try_all(target, headers))) == {(401, "unauthorized"): 5}
    assert problem(await site.http.get(BOOKINGS, headers=headers)) == (401, "unauthorized")
    assert await ledger(site) == before


async def test_case_45_a_rotated_token_is_forbidden(site: Site) -> None:
    shop = await site.open_shop()
    ticket = await shop.book(site.at(10))
    async with site.application.scope() as scope, scope.transaction() as transaction:
        await transaction.sql("UPDATE booking SET token_version = token_version + 1 WHERE id = %s", [ticket.id])
    answers = await try_all(ticket, {"X-Manage-Token": ticket.token})
    assert Counter(map(problem, answers)) == {(403, "forbidden"): 5}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_case_46_reading_and_prefetching_change_nothing(site: Site, method: str) -> None:
    shop = await site.open_shop()
    ticket = await shop.hold(site.at(10))
    before = await ledger(site)
    headers = {"X-Manage-Token": ticket.token, "Sec-Purpose": "prefetch", "Purpose": "prefetch"}
    query = f"service_id={shop.service.id}&date={site.day()}"
    paths = [
        "services",
        f"staff?service_id={shop.service.id}",
        f"availability?{query}&booking_id={ticket.id}",
        ticket.id,
    ]
    paths += [f"{ticket.id}/confirm", f"{ticket.id}/cancel?reason=x", f"{ticket.id}/reschedule", f"?{query}"]
    for path in paths:
        answer = await site.http.request(method, f"{BOOKINGS}/{path}", headers=headers)
        assert answer.status_code in (200, 204, 400, 401, 405), (path, answer.text)
    assert await ledger(site) == before
    assert (await ticket.confirm()).status_code == 200


@pytest.mark.parametrize("override", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
async def test_case_46_no_header_turns_reading_into_writing(site: Site, override: str) -> None:
    shop = await site.open_shop()
    ticket = await shop.hold(site.at(10))
    headers = {"X-Manage-Token": ticket.token, override: "POST"}
    assert problem(await site.http.get(f"{ticket.path}/cancel", headers=headers)) == (405, "method_not_allowed")
    assert (await ticket.get()).json()["booking"]["status"] == "held"


async def test_case_47_a_guest_with_a_known_email_changes_no_other_booking(site: Site) -> None:
    shop = await site.open_shop()
    known = await shop.book(site.at(10), customer_email="known@example.com", customer_name="Known")
    before = (await known.get()).json()
    taken = await shop.book(site.at(12), customer_email="known@example.com", customer_name="Somebody else")
    assert (await taken.cancel()).status_code == 200
    assert (await known.get()).json() == before
    assert taken.booking["customer_id"] is None
    assert problem(await Ticket(site, known.id, taken.token, {}).get()) == (403, "forbidden")


async def hold_keyed(shop: Shop, start_at: Any, key: str = KEY, **headers: str) -> httpx.Response:
    return await shop.post(start_at, {"Idempotency-Key": key + shop.service.id, **headers})


async def test_case_48_a_key_repeats_its_first_answer(site: Site) -> None:
    shop = await site.open_shop()
    first = await hold_keyed(shop, site.at(10))
    before = await ledger(site)
    again = await hold_keyed(shop, site.at(10))
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await ledger(site) == before


async def test_case_48_a_key_with_another_body_is_refused(site: Site) -> None:
    shop = await site.open_shop()
    assert (await hold_keyed(shop, site.at(10))).status_code == 201
    before = await ledger(site)
    assert problem(await hold_keyed(shop, site.at(12))) == (422, "idempotency_mismatch")
    assert await ledger(site) == before


async def test_case_48_a_key_in_parallel_is_one_hold(site: Site) -> None:
    shop = await site.open_shop(staff=3)
    answers = await asyncio.gather(*(hold_keyed(shop, site.at(10)) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert Counter(answer.headers.get("Idempotency-Replayed") for answer in answers) == {None: 1, "true": 9}


async def test_case_48_a_key_of_another_caller_is_another_key(site: Site) -> None:
    shop = await site.open_shop()
    one, other = await shop.hold(site.at(10)), await shop.hold(site.at(12))
    for ticket in one, other:
        answer = await ticket.send("cancel", {"reason": ticket.id}, key="k")
        assert (answer.status_code, answer.json()["booking"]["id"]) == (200, ticket.id)
        assert "Idempotency-Replayed" not in answer.headers
    assert problem(await Ticket(site, one.id, other.token, {}).send("cancel", {"reason": one.id}, key="k")) == (
        403,
        "forbidden",
    )


@pytest.mark.parametrize("key", ["", "short", "x" * 15, "x" * 256, "x" * 20_000])
async def test_case_48_a_key_of_the_wrong_length_is_refused(site: Site, key: str) -> None:
    shop = await site.open_shop()
    before = await ledger(site)
    assert problem(await shop.post(site.at(10), {"Idempotency-Key": key})) == (422, "invalid_data")
    assert await ledger(site) == before
