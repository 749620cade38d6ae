"""Attacks on what a customer must not choose: lengths, prices, times, staff, other people's bookings."""

import asyncio
from collections import Counter
from datetime import UTC, timedelta, timezone
from typing import Any

import httpx
import pytest

from modules.booking import BookingService, UpdateStaff

from .ledger import ledger
from .site import BOOKINGS, Site, Ticket

NEW_YORK = timezone(-timedelta(hours=5))
DECIDED_BY_THE_SHOP: list[dict[str, Any]] = [
    {"end_at": "2030-01-01T10:00:00Z"},
    {"duration_minutes": 1},
    {"price_amount": 0},
    {"status": "confirmed"},
    {"customer_id": "cus_1"},
    {"hold_expires_at": None},
    {"version": 1},
    {"metadata": {}},
    {"Start_at": "2030-01-01T10:00:00Z"},
]
STRANGE_TIMES = [
    ("0001-01-01T00:00:00Z", "in_past"),
    ("0001-01-01T00:00:00+14:00", "in_past"),
    ("1969-12-31T23:45:00Z", "in_past"),
    ("1901-12-13T20:45:00Z", "in_past"),
    ("9999-12-31T23:45:00Z", "too_far_ahead"),
    ("9999-12-31T23:45:00-14:00", "too_far_ahead"),
]


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    found = answer.json()
    assert found["status"] == answer.status_code
    return answer.status_code, found["code"]


@pytest.mark.parametrize("field", DECIDED_BY_THE_SHOP, ids=lambda field: next(iter(field)))
async def test_case_39_nobody_sets_what_the_shop_decides(site: Site, field: dict[str, Any]) -> None:
    shop = await site.open_shop()
    ticket = await shop.hold(site.at(9))
    before = await ledger(site)
    answers = [
        await shop.post(site.at(10), **field),
        await ticket.confirm(**field),
        await ticket.send("cancel", field),
        await ticket.reschedule(site.at(11), **field),
    ]
    assert [problem(answer) for answer in answers] == [(400, "unknown_field")] * 4
    assert {answer.json()["errors"][0]["field"] for answer in answers} == set(field)
    assert await ledger(site) == before


@pytest.mark.parametrize("shift", [timedelta(minutes=7), timedelta(seconds=1), timedelta(milliseconds=500)])
async def test_case_40_a_start_off_the_grid_is_refused(site: Site, shift: timedelta) -> None:
    shop = await site.open_shop()
    ticket = await shop.book(site.at(9))
    before = await ledger(site)
    start_at = site.at(10) + shift
    for answer in await shop.post(start_at), await ticket.reschedule(start_at):
        assert problem(answer) == (422, "off_grid")
    assert await ledger(site) == before
    assert (await shop.post(site.at(10))).status_code == 201


async def test_case_41_the_same_instant_in_another_offset_is_taken(site: Site) -> None:
    shop = await site.open_shop()
    start_at, other = site.at(10), await shop.book(site.at(12))
    await shop.hold(start_at)
    before = await ledger(site)
    for spelling in [
        start_at.astimezone(NEW_YORK).isoformat(),
        start_at.astimezone(timezone(timedelta(hours=5, minutes=45))).isoformat(),
        start_at.isoformat().replace("+00:00", "-00:00"),
        start_at.isoformat().replace("+00:00", ".000000000z").replace("T", "t"),
    ]:
        assert problem(await shop.post(spelling)) == (409, "slot_unavailable")
        moved = await other.send("reschedule", {"start_at": spelling})
        assert problem(moved) == (409, "slot_unavailable")
    wall = start_at.replace(tzinfo=None).isoformat()
    assert problem(await shop.post(wall, timezone="Etc/UTC")) == (409, "slot_unavailable")
    assert await ledger(site) == before


@pytest.mark.parametrize(("start_at", "code"), STRANGE_TIMES)
async def test_case_42_times_out_of_reach_are_refused(site: Site, start_at: str, code: str) -> None:
    shop = await site.open_shop()
    ticket = await shop.book(site.at(9))
    before = await ledger(site)
    assert problem(await shop.post(start_at)) == (422, code)
    for zone in "Etc/GMT-14", "Etc/GMT+12", "Pacific/Marquesas", "Africa/Monrovia":
        assert (await shop.post(start_at[:19], timezone=zone)).status_code == 422
    assert problem(await ticket.send("reschedule", {"start_at": start_at})) == (422, code)
    assert await ledger(site) == before


async def test_case_43_only_who_offers_a_service_can_be_booked_for_it(site: Site) -> None:
    shop, other = await site.open_shop(staff=2), await site.open_shop()
    ticket = await shop.book(site.at(9))
    stranger, idle = other.staff[0].id, shop.staff[1].id
    await deactivate(site, idle)
    before = await ledger(site)
    for staff_id in stranger, idle, "bkstf_01K00000000000000000000000", "", shop.service.id:
        assert problem(await shop.post(site.at(10), staff_id=staff_id)) == (404, "not_found")
        assert problem(await ticket.reschedule(site.at(10), staff_id=staff_id)) == (404, "not_found")
        slots = {"service_id": shop.service.id, "date": site.day().isoformat(), "staff_id": staff_id}
        assert problem(await site.http.get(f"{BOOKINGS}/availability", params=slots)) == (404, "not_found")
    assert await ledger(site) == before
    await shop.update_service(is_active=False)
    assert problem(await shop.post(site.at(10))) == (404, "not_found")


async def deactivate(site: Site, staff_id: str) -> None:
    async with site.application.scope() as scope, scope.transaction():
        await scope.resolve(BookingService).staff.update([UpdateStaff(id=staff_id, is_active=False)])


@pytest.mark.parametrize("days", ["0", "-1", "43", "1000000", "9223372036854775808", "99999999999999999999"])
async def test_case_44_more_days_than_one_answer_holds_are_refused(site: Site, days: str) -> None:
    shop = await site.open_shop()
    query = {"service_id": shop.service.id, "date": site.day().isoformat(), "days": days}
    assert problem(await site.http.get(f"{BOOKINGS}/availability", params=query)) == (422, "range_too_large")
    assert len(await shop.slots(site.day(), days="42")) == 42 * 96


@pytest.mark.parametrize(
    "id", ["book_" + "0" * 26, "x", "book_" + "1" * 5000, "%00", "%FF", "..", "book_é", "%F0%9F%92%88"]
)
async def test_case_44_an_id_that_cannot_be_is_unknown(site: Site, id: str) -> None:
    shop = await site.open_shop()
    ticket = await shop.book(site.at(9))
    before = await ledger(site)
    stranger = Ticket(site, id.replace("..", "%2E%2E"), ticket.token, {})
    answers = [await stranger.get(), await stranger.confirm(), await stranger.cancel()]
    answers.append(await stranger.reschedule(site.at(10)))
    if id not in ("%00", "%FF"):  # in a body they are spelt differently
        answers += [await shop.post(site.at(10), service_id=id), await shop.post(site.at(10), staff_id=id)]
    assert Counter(map(problem, answers)) == {(404, "not_found"): len(answers)}
    assert await ledger(site) == before


async def test_case_49_confirming_twice_at_once_is_one_transition(site: Site) -> None:
    shop = await site.open_shop()
    ticket = await shop.hold(site.at(10))
    answers = await asyncio.gather(*(ticket.confirm() for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    found = await site.find(ticket.id)
    assert found is not None
    assert found.version == ticket.booking["version"] + 1


async def test_case_52_a_booking_that_has_started_stays(site: Site) -> None:
    shop = await site.open_shop()
    now = site.now()
    start_at = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    started, completed = await shop.book(start_at), await shop.book(start_at + timedelta(days=1))
    await complete(site, completed)
    async with site.moved(start_at - now + timedelta(seconds=1)):
        before = await ledger(site)
        for ticket in started, completed:
            for answer in await ticket.cancel(), await ticket.reschedule(start_at + timedelta(days=2)):
                assert problem(answer) == (409, "invalid_state")
        assert (await started.get()).json()["booking"]["status"] == "confirmed"
        assert (await completed.get()).json()["booking"]["status"] == "completed"
        assert await ledger(site) == before


async def complete(site: Site, ticket: Ticket) -> None:
    async with site.application.scope() as scope, scope.transaction():
        await scope.resolve(BookingService).complete(ticket.id)
