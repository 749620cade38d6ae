"""The table of states, cell by cell: what each route answers in each state, and that a refusal changes nothing."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from msgspec import Struct

from workflows.booking import CompleteBooking, MarkNoShow, complete_booking, mark_no_show

from .site import BOOKINGS, Shop, Site, Ticket
from .slots import starts

STATES = ("held", "expired", "swept", "confirmed", "started", "cancelled", "completed", "no_show")
GONE = ("expired", "swept")
CLOSED = ("cancelled", "completed", "no_show")
ACTIONS = ("confirm", "confirm_otherwise", "cancel", "reschedule")


class Refusal(Struct, frozen=True):
    """What a refused request answers."""

    status: int
    code: str
    with_alternatives: bool = False


HOLD_EXPIRED = Refusal(409, "hold_expired")
HOLD_EXPIRED_INSTEAD = Refusal(409, "hold_expired", with_alternatives=True)
INVALID_STATE = Refusal(409, "invalid_state")

REFUSED: dict[tuple[str, str], Refusal] = {
    **{(state, "confirm"): HOLD_EXPIRED_INSTEAD for state in GONE},
    **{(state, "confirm"): INVALID_STATE for state in CLOSED},
    ("held", "confirm_otherwise"): Refusal(422, "payment_mode_not_allowed"),
    **{(state, "confirm_otherwise"): HOLD_EXPIRED_INSTEAD for state in GONE},
    **{(state, "confirm_otherwise"): INVALID_STATE for state in ("confirmed", "started", *CLOSED)},
    **{(state, "cancel"): HOLD_EXPIRED for state in GONE},
    **{(state, "cancel"): INVALID_STATE for state in ("started", "completed", "no_show")},
    **{(state, "reschedule"): HOLD_EXPIRED for state in GONE},
    **{(state, "reschedule"): INVALID_STATE for state in ("held", "started", *CLOSED)},
}
GRANTED = [(state, action) for state in STATES for action in ACTIONS if (state, action) not in REFUSED]


@asynccontextmanager
async def brought_to(state: str, shop: Shop) -> AsyncGenerator[Ticket]:
    """Give a booking in that state; the clock stays moved as long as it has to."""
    site = shop.site
    start = (await shop.free(site.day(1)))[-4]
    ticket = await (shop.hold(start) if state in ("held", *GONE) else shop.book(start))
    if state == "cancelled":
        assert (await ticket.cancel()).status_code == 200
    elif state in ("completed", "no_show"):
        await close(site, ticket, state)
    if state not in ("started", *GONE):
        yield ticket
        return
    until = start if state == "started" else ticket.hold_expires_at
    async with site.moved_to(until):
        if state == "swept":
            assert ticket.id in await site.sweep()
        yield ticket


async def close(site: Site, ticket: Ticket, state: str) -> None:
    async with site.application.scope() as scope:
        if state == "completed":
            await complete_booking.run(scope, CompleteBooking(booking_id=ticket.id))
        else:
            await mark_no_show.run(scope, MarkNoShow(booking_id=ticket.id))


async def ask(ticket: Ticket, action: str) -> httpx.Response:
    match action:
        case "confirm":
            return await ticket.confirm("pay_in_store")
        case "confirm_otherwise":
            return await ticket.confirm("full")
        case "cancel":
            return await ticket.cancel()
        case _:
            return await ticket.reschedule(ticket.site.at(12))


def assert_refused(answer: httpx.Response, refusal: Refusal) -> None:
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (refusal.status, refusal.code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert all(problem[name] for name in ("type", "title", "detail"))
    assert ("alternatives" in problem) is refusal.with_alternatives


@pytest.mark.parametrize(("state", "action"), REFUSED)
async def test_refuses_what_the_state_does_not_allow_and_changes_nothing(site: Site, state: str, action: str) -> None:
    refusal, shop = REFUSED[state, action], await site.open_shop()
    async with brought_to(state, shop) as ticket:
        before, claims = await site.find(ticket.id), await site.claims(ticket.id)
        answer = await ask(ticket, action)
        assert_refused(answer, refusal)
        assert (await site.find(ticket.id), await site.claims(ticket.id)) == (before, claims)
        if refusal.with_alternatives:
            assert len(answer.json()["alternatives"]) == 5
            assert starts(answer.json()["alternatives"])[0] == starts([ticket.booking])[0]  # it is free again


@pytest.mark.parametrize("state", STATES)
async def test_shows_a_booking_unless_its_hold_has_run_out(site: Site, state: str) -> None:
    shown = {"started": "confirmed"}.get(state, state)
    async with brought_to(state, await site.open_shop()) as ticket:
        answer = await ticket.get()
        if state in GONE:
            assert_refused(answer, Refusal(404, "not_found"))
        else:
            assert (answer.status_code, answer.json()["booking"]["status"]) == (200, shown)


def test_the_table_is_complete() -> None:
    assert GRANTED == [
        ("held", "confirm"),
        ("held", "cancel"),
        ("confirmed", "confirm"),
        ("confirmed", "cancel"),
        ("confirmed", "reschedule"),
        ("started", "confirm"),
        ("cancelled", "cancel"),
    ]


@pytest.mark.parametrize(("state", "action"), GRANTED)
async def test_grants_what_the_state_allows(site: Site, state: str, action: str) -> None:
    outcome = {"confirm": "confirmed", "cancel": "cancelled", "reschedule": "confirmed"}[action]
    async with brought_to(state, await site.open_shop()) as ticket:
        answer = await ask(ticket, action)
        assert (answer.status_code, answer.json()["booking"]["status"]) == (200, outcome)
        assert (await ticket.get()).json()["booking"] == answer.json()["booking"]


@pytest.mark.parametrize(("state", "action"), [("confirmed", "confirm"), ("cancelled", "cancel")])
async def test_asked_again_gives_the_same_answer_and_changes_nothing(site: Site, state: str, action: str) -> None:
    async with brought_to(state, await site.open_shop()) as ticket:
        before = (await ticket.get()).json()
        again = [await ask(ticket, action) for _ in range(2)]
        assert [(answer.status_code, answer.json()["booking"]) for answer in again] == [(200, before["booking"])] * 2


async def test_confirming_fills_in_the_answer_for_what_is_not_used(site: Site) -> None:
    async with brought_to("held", await site.open_shop()) as ticket:
        assert {name: value for name, value in (await ticket.confirm()).json().items() if name != "booking"} == (
            {"cart": None, "order": None}
        )


async def test_cancelling_frees_the_slot_and_refunds_nothing_that_was_not_paid(site: Site) -> None:
    shop = await site.open_shop()
    for state in ("held", "confirmed"):
        async with brought_to(state, shop) as ticket:
            start = starts([ticket.booking])[0]
            assert start not in await shop.free(site.day(1))
            assert (await ticket.cancel()).json()["refund"] is None
            assert start in await shop.free(site.day(1))
            assert await site.claims(ticket.id) == 0


async def test_a_hold_without_contact_is_confirmed_only_with_one(site: Site) -> None:
    shop = await site.open_shop()
    ticket = await shop.hold(site.at(10), customer_email=None)
    assert_refused(await ticket.confirm(), Refusal(422, "contact_required"))
    answer = await ticket.confirm(customer_phone="+43 1 234567")
    assert (answer.status_code, answer.json()["booking"]["customer_phone"]) == (200, "+43 1 234567")


async def test_a_move_is_refused_with_alternatives_that_are_free(site: Site) -> None:
    shop = await site.open_shop()
    ticket, _ = await shop.book(site.at(10)), await shop.book(site.at(12))
    answer = await ticket.reschedule(site.at(12))
    assert_refused(answer, Refusal(409, "slot_unavailable", with_alternatives=True))
    assert answer.json()["title"] == "Slot not available"
    assert starts(answer.json()["alternatives"])[0] == site.at(12, 30)
    assert await site.claims(ticket.id) == 2


async def test_a_move_onto_itself_changes_nothing(site: Site) -> None:
    shop = await site.open_shop()
    ticket = await shop.book(site.at(10))
    before = (await ticket.get()).json()
    await shop.update_service(min_notice_minutes=60 * 24 * 30)
    answer = await ticket.reschedule(site.at(10))
    assert (answer.status_code, answer.json()) == (200, before)


async def test_a_token_stays_valid_over_a_move(site: Site) -> None:
    shop = await site.open_shop()
    ticket = await shop.book(site.at(10))
    moved = await ticket.reschedule(site.at(14))
    assert datetime.fromisoformat(moved.json()["booking"]["start_at"]) == site.at(14)
    assert moved.json()["booking"]["version"] > ticket.booking["version"]
    assert (await ticket.get()).json() == moved.json()


async def test_no_request_ever_moves_the_end_of_a_hold(site: Site) -> None:
    shop = await site.open_shop()
    ticket = await shop.hold(site.at(10), customer_email=None)
    async with site.moved(timedelta(minutes=5)):
        for answer in (
            await shop.post(site.at(10)),
            await ticket.confirm(),
            await ticket.confirm("deposit"),
            await ticket.reschedule(site.at(12)),
        ):
            assert answer.is_client_error
        found = await site.find(ticket.id)
        assert found is not None
        assert found.hold_expires_at == ticket.hold_expires_at
        assert (await ticket.get()).json()["booking"] == ticket.booking


async def test_a_hold_ends_at_the_second_that_it_names(site: Site) -> None:
    shop = await site.open_shop()
    ticket = await shop.hold(site.at(10))
    async with site.moved(ticket.hold_expires_at - timedelta(seconds=5) - site.now()):
        assert (await ticket.get()).status_code == 200
        assert site.at(10) not in await shop.free(site.day())
    async with site.moved_to(ticket.hold_expires_at):
        assert (await ticket.get()).status_code == 404
        assert site.at(10) in await shop.free(site.day())


async def test_guests_have_no_list_of_bookings(site: Site) -> None:
    ticket = await (await site.open_shop()).hold(site.at(10))
    for headers in ({}, {"X-Manage-Token": ticket.token}):
        assert_refused(await site.http.get(BOOKINGS, headers=headers), Refusal(401, "unauthorized"))


@pytest.mark.parametrize("action", ["confirm", "confirm_otherwise", "cancel", "reschedule"])
async def test_a_credential_comes_before_the_state(site: Site, action: str) -> None:
    shop = await site.open_shop()
    ticket, other = await shop.hold(site.at(10)), await shop.hold(site.at(12))
    assert_refused(await ask(Ticket(site, ticket.id, "", ticket.booking), action), Refusal(401, "unauthorized"))
    assert_refused(await ask(Ticket(site, "book_unknown", "", ticket.booking), action), Refusal(401, "unauthorized"))
    foreign = Ticket(site, ticket.id, other.token, ticket.booking)
    assert_refused(await ask(foreign, action), Refusal(403, "forbidden"))
    unknown = Ticket(site, "book_unknown", ticket.token, ticket.booking)
    assert_refused(await ask(unknown, action), Refusal(404, "not_found"))
