"""What is offered can be booked, and nothing else."""

import asyncio
from datetime import timedelta

from .site import Site
from .slots import off, starts, weekly
from .zones import QUARTER

HOUR = timedelta(hours=1)


async def test_case_12_every_offered_start_can_be_held_and_no_other(site: Site) -> None:
    shop = await site.open_shop(*weekly("09:00", "12:00"))
    neighbour = await shop.with_service(duration_minutes=30, buffer_minutes=20)
    await neighbour.book(site.at(10))
    offered = await shop.free(site.day())
    assert offered[-1] == site.at(11, 30)
    assert [start for start in offered if site.at(9, 30) < start <= site.at(11)] == [site.at(11)]
    for start in [site.at(8) + n * QUARTER for n in range(20)]:
        answer = await shop.post(start, customer_email="guest@example.com")
        assert answer.status_code == (201 if start in offered else 409), start
        if answer.status_code == 201:
            held = answer.json()
            path, token = f"/store/bookings/{held['booking']['id']}/cancel", held["manage_token"]
            assert (await site.http.post(path, headers={"X-Manage-Token": token})).status_code == 200


async def test_case_13_a_start_typed_into_the_buffer_of_a_neighbour_is_taken(site: Site) -> None:
    shop = await site.open_shop(duration_minutes=30, buffer_minutes=30)
    await shop.book(site.at(10))
    for minutes in (30, 45):
        answer = await shop.post(site.at(10, minutes))
        assert (answer.status_code, answer.json()["code"]) == (409, "slot_unavailable")
    assert (await shop.post(site.at(9, 15))).status_code == 409  # its own buffer would meet the neighbour
    await shop.hold(site.at(11))
    await shop.hold(site.at(9))


async def test_case_14_a_start_seen_before_the_notice_was_raised_is_refused(site: Site) -> None:
    shop = await site.open_shop()
    start = (await shop.free(site.day()))[0]
    notice = int((start - site.now() + HOUR).total_seconds()) // 60
    await shop.update_service(min_notice_minutes=notice)
    answer = await shop.post(start)
    assert (answer.status_code, answer.json()["code"]) == (422, "too_soon")
    assert start not in await shop.free(site.day())
    await shop.hold(start + 2 * HOUR)


async def test_case_15_the_last_start_is_closing_time_less_the_duration(site: Site) -> None:
    shop = await site.open_shop(*weekly("09:00", "20:00"), duration_minutes=90, buffer_minutes=30)
    assert (await shop.free(site.day()))[-1] == site.at(18, 30)
    assert (await shop.post(site.at(18, 45))).status_code == 409
    await shop.hold(site.at(18, 30))


async def test_case_16_time_off_over_several_days_hides_its_days(site: Site) -> None:
    away = [site.day(ahead) for ahead in (5, 6, 7)]
    shop = await site.open_shop(*weekly("09:00", "17:00"), *map(off, away))
    seen = {start.date() for start in starts(await shop.slots(site.day(3), days=7))}
    assert seen == {site.day(ahead) for ahead in (3, 4, 8, 9)}
    answers = await asyncio.gather(*(shop.post(site.at(12, ahead=ahead)) for ahead in (5, 6, 7)))
    assert [answer.status_code for answer in answers] == [409, 409, 409]


async def test_case_17_every_kind_of_overlap_is_a_conflict(site: Site) -> None:
    middle = await site.open_shop(duration_minutes=30)
    hour = await middle.with_service(duration_minutes=60)
    short = await middle.with_service(duration_minutes=15)
    await middle.book(site.at(9, 15))
    for shop, start in [
        (hour, site.at(9)),  # around it
        (hour, site.at(8, 30)),
        (hour, site.at(9, 30)),
        (short, site.at(9, 15)),
        (short, site.at(9, 30)),
        (middle, site.at(9, 15)),
    ]:
        assert (await shop.post(start)).status_code == 409, start
        assert start not in await shop.free(site.day())
    await short.hold(site.at(9))
    await hour.hold(site.at(9, 45))


async def test_case_18_the_tail_of_a_running_booking_stays_blocked(site: Site) -> None:
    long = await site.open_shop(duration_minutes=105)
    short = await long.with_service(duration_minutes=15)
    start = (await long.free(site.day(1)))[0]
    await long.book(start)
    async with site.moved(start + timedelta(minutes=20) - site.now()):
        tail = [start + n * QUARTER for n in range(2, 7)]
        free = [slot for day in (start.date(), (start + 2 * HOUR).date()) for slot in await short.free(day)]
        assert not set(tail) & set(free)
        answers = [await short.post(each) for each in tail]
        assert {answer.status_code for answer in answers} == {409}
        assert (await short.post(start + QUARTER)).json()["code"] == "in_past"
        await short.hold(start + 7 * QUARTER)
