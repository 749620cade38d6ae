"""Milestone 3: holding, confirming and losing a slot, over HTTP."""

import asyncio
from datetime import datetime, timedelta

import pytest

from core.errors import HoldfastError
from core.testing import application_on
from core.workflow import StepContext, step, workflow
from modules.booking import BookingService, NewHold, booking
from workflows.booking.steps import create_held_booking

from .site import HOLD, Site
from .suite import flaws, seed_ids

ELEVEN_MINUTES = timedelta(minutes=11)


async def test_m3_t1_a_post_holds_a_slot(site: Site) -> None:
    shop = await site.open_shop()
    answer = await shop.post(site.at(10))
    held = answer.json()["booking"]
    assert (answer.status_code, held["status"]) == (201, "held")
    assert held["id"].startswith("book_")
    assert answer.headers["Location"] == f"/store/bookings/{held['id']}"
    left = datetime.fromisoformat(held["hold_expires_at"]) - site.now()
    assert HOLD - timedelta(seconds=30) < left <= HOLD


async def test_m3_t2_a_hold_blocks_its_slot(site: Site) -> None:
    shop = await site.open_shop()
    assert site.at(10) in await shop.free(site.day())
    await shop.hold(site.at(10))
    [slot] = [one for one in await shop.slots(site.day()) if datetime.fromisoformat(one["start_at"]) == site.at(10)]
    assert (slot["available"], slot["staff_ids"]) == (False, [])


async def test_m3_t3_concurrent_holds_have_one_winner(site: Site) -> None:
    shop = await site.open_shop()
    for hour in range(10, 20):
        answers = await asyncio.gather(shop.post(site.at(hour)), shop.post(site.at(hour)))
        assert sorted(answer.status_code for answer in answers) == [201, 409]
        [lost] = [answer for answer in answers if answer.status_code == 409]
        assert (lost.json()["code"], lost.json()["title"]) == ("slot_unavailable", "Slot not available")


async def test_m3_t4_confirming_to_pay_in_store_confirms_the_booking(site: Site) -> None:
    ticket = await (await site.open_shop()).hold(site.at(10))
    before = site.now()
    answer = await ticket.confirm("pay_in_store")
    confirmed = answer.json()["booking"]
    assert (answer.status_code, confirmed["status"], confirmed["payment_mode"]) == (200, "confirmed", "pay_in_store")
    assert abs(datetime.fromisoformat(confirmed["confirmed_at"]) - before) < timedelta(seconds=30)
    assert confirmed["hold_expires_at"] is None
    assert (await ticket.get()).json()["booking"] == confirmed


@pytest.mark.parametrize("swept", [False, True])
async def test_m3_t5_a_held_booking_expires(site: Site, swept: bool) -> None:
    ticket = await (await site.open_shop()).hold(site.at(10))
    assert (await ticket.get()).status_code == 200
    async with site.moved(ELEVEN_MINUTES):
        if swept:
            assert ticket.id in await site.sweep()
        assert (await ticket.get()).status_code == 404
        found = await site.find(ticket.id)
        assert found is not None
        assert (found.status, found.deleted_at is not None) == (("expired", True) if swept else ("held", False))


@pytest.mark.parametrize("swept", [False, True])
async def test_m3_t6_an_expired_hold_releases_its_slot(site: Site, swept: bool) -> None:
    shop = await site.open_shop()
    ticket = await shop.hold(site.at(10))
    assert site.at(10) not in await shop.free(site.day())
    async with site.moved(ELEVEN_MINUTES):
        if swept:
            assert ticket.id in await site.sweep()
            assert await site.claims(ticket.id) == 0
        assert site.at(10) in await shop.free(site.day())
        await shop.hold(site.at(10))


class CardDeclined(HoldfastError):
    """What goes wrong after the hold."""

    code = "card_declined"


@step("look-at-held-booking")
async def look_at_held_booking(ctx: StepContext, booking_id: str) -> str:
    """Take note that the hold is there, committed."""
    return (await ctx.resolve(BookingService).get_booking(booking_id)).status


@workflow("hold-and-fail", version=1)
async def hold_and_fail(data: NewHold) -> None:
    """Hold a slot by the shop's own step, then fail."""
    held = await create_held_booking(data)
    raise CardDeclined(f"{held.id} {await look_at_held_booking(held.id)}")


async def test_m3_t7_a_hold_is_compensated_when_what_follows_fails(site: Site) -> None:
    shop = await site.open_shop()
    wanted = NewHold(service=shop.service, staff_ids=[shop.staff[0].id], start_at=site.at(10))
    app = application_on(site.url, modules=[booking], workflows=[hold_and_fail])
    async with app.running(), app.scope() as scope:
        with pytest.raises(CardDeclined, match="held") as failure:
            await hold_and_fail.run(scope, wanted)
    booking_id = failure.value.detail.split()[0]
    assert await site.find(booking_id) is None
    assert await site.claims(booking_id) == 0
    await shop.hold(site.at(10))


def test_m3_t8_the_suite_of_bookings_is_whole(pytestconfig: pytest.Config) -> None:
    assert flaws(pytestconfig.rootpath, ["tests/acceptance"], seed_ids(3, 8)) == []
