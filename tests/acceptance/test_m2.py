"""Milestone 2: what is on offer, over HTTP."""

from datetime import UTC, datetime, time, timedelta

import pytest

from .site import BOOKINGS, Site
from .slots import local_starts, off, starts, weekly
from .suite import flaws, seed_ids

MONDAY = 0


async def test_m2_t1_lists_the_active_services(site: Site) -> None:
    active, inactive = await site.open_shop(price=3100), await site.open_shop(is_active=False)
    answer = await site.http.get(f"{BOOKINGS}/services")
    assert answer.status_code == 200
    services = {service["id"]: service for service in answer.json()["services"]}
    assert inactive.service.id not in services
    shown = services[active.service.id]
    assert (shown["name"], shown["duration_minutes"], shown["price"], shown["currency_code"]) == (
        ("Haircut", 30, 3100, "usd")
    )


async def test_m2_t2_returns_the_time_slots_of_a_date(site: Site) -> None:
    shop = await site.open_shop(*weekly("09:00", "11:00"))
    await shop.hold(site.at(10))
    query = {"date": site.day().isoformat(), "service_id": shop.service.id}
    answer = await site.http.get(f"{BOOKINGS}/availability", params=query)
    assert answer.status_code == 200
    slots = answer.json()["slots"]
    assert [slot["available"] for slot in slots] == [True, True, True, False, False, False, True]
    assert slots[0] == {
        "start_at": f"{site.day()}T09:00:00Z",
        "end_at": f"{site.day()}T09:30:00Z",
        "start_local": f"{site.day()}T09:00:00Z",
        "timezone": "UTC",
        "available": True,
        "staff_ids": [shop.staff[0].id],
    }
    assert slots[3]["staff_ids"] == []


async def test_m2_t3_slots_respect_the_rules(site: Site) -> None:
    shop = await site.open_shop(*weekly("09:00", "17:00", [MONDAY]))
    monday = site.day(7 - site.day(0).weekday() + 7)
    times = local_starts(await shop.slots(monday))
    assert (times[0], times[-1]) == ("09:00+00:00", "16:30+00:00")
    assert await shop.slots(monday - timedelta(days=1)) == []


async def test_m2_t4_slots_start_on_the_quarter_hour(site: Site) -> None:
    shop = await site.open_shop(*weekly("09:05", "12:40"))
    found = starts(await shop.slots(site.day()))
    first = datetime.combine(site.day(), time(9, 15), UTC)
    assert found == [first + n * timedelta(minutes=15) for n in range(12)]


async def test_m2_t5_blocked_dates_have_no_slots(site: Site) -> None:
    shop = await site.open_shop(*weekly("09:00", "17:00"), off(site.day()))
    assert await shop.slots(site.day()) == []
    assert await shop.slots(site.day(4))


async def test_m2_t6_a_service_takes_as_many_quarters_as_it_lasts(site: Site) -> None:
    shop = await site.open_shop(*weekly("09:00", "11:00"), duration_minutes=45)
    quarter = await shop.with_service(duration_minutes=15)
    await quarter.hold(site.at(10))
    slots = await shop.slots(site.day())
    assert all(
        datetime.fromisoformat(slot["end_at"]) - datetime.fromisoformat(slot["start_at"]) == timedelta(minutes=45)
        for slot in slots
    )
    free = [f"{start:%H:%M}" for start in starts([slot for slot in slots if slot["available"]])]
    assert free == ["09:00", "09:15", "10:15"]


def test_m2_t7_the_suite_of_the_offer_is_whole(pytestconfig: pytest.Config) -> None:
    suite = ["tests/acceptance/test_m2.py", "tests/modules/booking/test_availability.py"]
    assert flaws(pytestconfig.rootpath, suite, seed_ids(2, 7)) == []
