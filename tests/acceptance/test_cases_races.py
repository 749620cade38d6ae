"""Races: many ask for the same time at once, or one after the other."""

import ast
import asyncio
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

import modules.booking
import workflows.booking
from core.app import Application
from modules.booking import BookingService, CreateBooking

from .site import HOLD, Shop, Site
from .slots import Document, starts

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
STEAL = "UPDATE slot_claim SET booking_id = %(thief)s WHERE booking_id = %(victim)s"


async def test_case_01_of_50_equal_holds_at_once_one_wins(site: Site) -> None:
    shop = await site.open_shop()
    for number in range(3):
        answers = await asyncio.gather(*(shop.post(site.at(10 + number)) for _ in range(50)))
        assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 49}
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"slot_unavailable"}


async def test_case_02_unequal_overlapping_holds_never_overlap(site: Site) -> None:
    first = await site.open_shop(duration_minutes=60)
    shops = [first, *[await first.with_service(duration_minutes=15 + 15 * n, buffer_minutes=5 * n) for n in range(11)]]
    for number in range(6):
        wishes = [(shop, site.at(10, 15 * (n % 4), ahead=3 + number)) for n, shop in enumerate(shops)]
        answers = await asyncio.gather(*(shop.post(start_at) for shop, start_at in wishes))
        won = [answer.json()["booking"] for answer in answers if answer.status_code == 201]
        assert won
        assert {answer.status_code for answer in answers} == {201, 409}
        await assert_no_overlap(site, won)


async def assert_no_overlap(site: Site, bookings: list[Document]) -> None:
    found = [await site.find(booking["id"]) for booking in bookings]
    taken = sorted((booking.start_at, booking.claimed_until) for booking in found if booking)
    assert len(taken) == len(bookings)
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(taken))


async def test_case_03_every_live_status_occupies_the_slot(site: Site) -> None:
    shop = await site.open_shop()
    start, later = site.at(10), site.at(15)
    ticket = await shop.hold(start)
    await assert_taken(shop, start)
    assert (await ticket.confirm()).status_code == 200
    await assert_taken(shop, start)
    assert (await ticket.reschedule(later)).status_code == 200
    await assert_taken(shop, later)
    assert (await ticket.cancel()).status_code == 200
    await shop.hold(start)
    await shop.hold(later)


async def assert_taken(shop: Shop, start_at: datetime) -> None:
    answer = await shop.post(start_at)
    assert (answer.status_code, answer.json()["code"]) == (409, "slot_unavailable")
    assert start_at not in starts(answer.json()["alternatives"])
    assert start_at not in await shop.free(start_at.date())


async def test_case_04_the_second_of_two_tabs_gets_409(site: Site) -> None:
    shop = await site.open_shop()
    seen = await shop.free(site.day())
    await shop.hold(seen[0], customer_email="same@example.com")
    second = await shop.post(seen[0], customer_email="same@example.com")
    assert (second.status_code, second.json()["title"]) == (409, "Slot not available")
    assert starts(second.json()["alternatives"]) == seen[2:7]


async def test_case_05_any_staff_takes_all_who_are_free_and_no_more(site: Site) -> None:
    shop = await site.open_shop(staff=3)
    start, (busy, *free) = site.at(10), [one.id for one in shop.staff]
    await shop.book(start, staff_id=busy)
    answers = await asyncio.gather(*(shop.post(start) for _ in range(10)))
    won = [answer.json()["booking"]["staff_id"] for answer in answers if answer.status_code == 201]
    assert sorted(won) == sorted(free)
    assert Counter(answer.status_code for answer in answers) == {201: 2, 409: 8}


async def test_case_06_moving_a_booking_frees_where_it_was(site: Site) -> None:
    shop = await site.open_shop()
    ticket = await shop.book(site.at(10))
    assert (await ticket.reschedule(site.at(12))).status_code == 200
    await shop.hold(site.at(10))


async def test_case_07_reassigning_staff_frees_the_old_staff(site: Site) -> None:
    shop = await site.open_shop(staff=2)
    start, (ann, bob) = site.at(10), [one.id for one in shop.staff]
    ticket = await shop.book(start, staff_id=ann)
    moved = await ticket.reschedule(start, staff_id=bob)
    assert (moved.status_code, moved.json()["booking"]["staff_id"]) == (200, bob)
    await shop.hold(start, staff_id=ann)
    assert (await shop.post(start, staff_id=bob)).status_code == 409


async def test_case_08_confirm_checks_its_claims_with_minutes_left(site: Site) -> None:
    shop = await site.open_shop()
    ticket, other = await shop.hold(site.at(10)), await shop.hold(site.at(12))
    async with site.application.scope() as scope, scope.transaction() as transaction:
        await transaction.sql("SET LOCAL session_replication_role = replica")  # past the trigger
        await transaction.sql("DELETE FROM slot_claim WHERE booking_id = %s", [other.id])
        await transaction.sql(STEAL, {"thief": other.id, "victim": ticket.id})
    assert ticket.hold_expires_at - site.now() > timedelta(minutes=9)
    answer = await ticket.confirm()
    assert (answer.status_code, answer.json()["code"]) == (409, "hold_expired")
    found = await site.find(ticket.id)
    assert found is not None
    assert (found.status, found.confirmed_at) == ("held", None)


async def test_case_09_an_abandoned_checkout_frees_its_slot_with_no_job_running(site: Site) -> None:
    shop = await site.open_shop()
    ticket = await shop.hold(site.at(10))
    async with site.moved_to(ticket.hold_expires_at):
        assert site.at(10) in await shop.free(site.day())
        await shop.hold(site.at(10))
    found = await site.find(ticket.id)
    assert found is not None
    assert (found.status, found.deleted_at) == ("held", None)  # nobody has swept it


async def test_case_10_repeating_a_hold_never_extends_it(site: Site) -> None:
    shop = await site.open_shop()
    key = {"Idempotency-Key": "the same customer again"}
    first = await shop.post(site.at(10), key)
    ends = first.json()["booking"]["hold_expires_at"]
    async with site.moved(HOLD - timedelta(minutes=1)):
        assert (await shop.post(site.at(10))).status_code == 409
        again = await shop.post(site.at(10), key)
        assert (again.status_code, again.json()["booking"]["hold_expires_at"]) == (201, ends)
        found = await site.find(first.json()["booking"]["id"])
        assert found is not None
        assert found.hold_expires_at == datetime.fromisoformat(ends)
        async with site.moved(timedelta(minutes=1)):
            assert (await shop.post(site.at(10))).status_code == 201


@pytest.mark.parametrize(("commits", "status"), [(True, 409), (False, 201)])
async def test_case_11_a_hold_waits_for_the_one_under_way_and_for_nothing_else(
    site: Site, commits: bool, status: int
) -> None:
    shop, claimed = await site.open_shop(), asyncio.Event()
    first = asyncio.create_task(hold_slowly(shop, site.at(10), claimed, commits))
    await claimed.wait()
    second = await shop.post(site.at(10))
    assert second.status_code == status
    assert await first is commits


async def hold_slowly(shop: Shop, start_at: datetime, claimed: asyncio.Event, commits: bool) -> bool:
    """Hold in a transaction that ends only once somebody else waits for it."""
    wanted = CreateBooking(staff_id=shop.staff[0].id, service_id=shop.service.id, start_at=start_at)
    with suppress(ChangedMyMind):
        async with shop.site.application.scope() as scope, scope.transaction():
            await scope.resolve(BookingService).create_bookings([wanted])
            claimed.set()
            await asyncio.wait_for(somebody_waits(shop.site.application), 5)
            if commits:
                return True
            raise ChangedMyMind
    return False


class ChangedMyMind(Exception):
    """Rolls the transaction back."""


async def somebody_waits(application: Application) -> None:
    async with application.scope() as scope:
        while await scope.session.sql(WAITING) == [(0,)]:  # noqa: ASYNC110, another process's lock
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("package", [modules.booking, workflows.booking])
def test_case_11_no_delay_is_taken_for_a_fix_of_a_race(package: object) -> None:
    folder = Path(str(getattr(package, "__file__", ""))).parent
    files = list(folder.rglob("*.py"))
    assert files
    words = {word for file in files for word in names_in(ast.parse(file.read_text()))}
    assert not words & {"sleep", "pg_sleep", "random", "uniform", "jitter"}


def names_in(tree: ast.AST) -> set[str]:
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return names | {node.name for node in ast.walk(tree) if isinstance(node, ast.alias)}
