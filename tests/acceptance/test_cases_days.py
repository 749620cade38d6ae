"""Days and zones: nobody's clock moves a booking."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from .site import Site
from .slots import local_starts, off, on, starts, weekly
from .zones import QUARTER, at_local, local_day, next_change, quarters_of

DAY = timedelta(days=1)
SATURDAY = 5
VIENNA = ZoneInfo("Europe/Vienna")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
MIDNIGHTS = ["Africa/Cairo", "America/Santiago", "Asia/Beirut", "America/Havana"]
"""Where clocks are put forward at midnight."""
VIEWERS = [
    "Etc/GMT+8",
    "America/Los_Angeles",
    "America/St_Johns",
    "UTC",
    "Europe/Berlin",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Pacific/Kiritimati",
]


async def test_case_19_afternoon_hours_of_new_york_on_the_spring_day(site: Site) -> None:
    day = local_day(next_change(NEW_YORK, site.now(), forward=True), NEW_YORK)
    shop = await site.open_shop(*weekly("13:00", "18:00"), timezone=NEW_YORK.key)
    slots = await shop.slots(day)
    assert slots[0]["start_at"] == f"{day}T17:00:00Z"
    assert slots[-1]["end_at"] == f"{day}T22:00:00Z"
    assert len(slots) == 19
    before = await shop.slots(day - DAY)
    assert before[0]["start_at"] == f"{day - DAY}T18:00:00Z"


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("zone", [VIENNA, NEW_YORK, LORD_HOWE], ids=str)
async def test_case_20_an_opening_keeps_its_hour_when_booked_before_a_change(
    site: Site, zone: ZoneInfo, forward: bool
) -> None:
    day = local_day(next_change(zone, site.now(), forward=forward), zone)
    shop = await site.open_shop(*weekly("09:00", "10:00"), timezone=zone.key, duration_minutes=60)
    for each in (day - DAY, day, day + DAY):
        start = at_local(each, 9, zone)
        assert await shop.free(each) == [start]
        assert await shop.free(each, timezone=zone.key) == [start]
        ticket = await shop.hold(start)
        assert datetime.fromisoformat(ticket.booking["start_local"]).replace(tzinfo=None).hour == 9
        wall = await shop.post(f"{each}T09:00", timezone=zone.key)
        assert (wall.status_code, wall.json()["code"]) == (409, "slot_unavailable")


@pytest.mark.parametrize("forward", [True, False])
async def test_case_21_a_notice_of_seven_days_that_ends_at_a_change_errs_by_no_hour(site: Site, forward: bool) -> None:
    change = next_change(VIENNA, site.now() + 7 * DAY, forward=forward)
    shop = await site.open_shop(timezone=VIENNA.key, min_notice_minutes=7 * 24 * 60)
    async with site.moved(change - 7 * DAY - timedelta(minutes=5) - site.now()):
        assert (await shop.free(local_day(change, VIENNA)))[0] == change
        early = await shop.post(change - QUARTER)
        assert (early.status_code, early.json()["code"]) == (422, "too_soon")
        await shop.hold(change)


async def test_case_22_switching_the_shown_zone_there_and_back_gives_the_same_instants(site: Site) -> None:
    shop = await site.open_shop(*weekly("08:00", "18:00"), timezone=VIENNA.key)
    day = local_day(next_change(VIENNA, site.now(), forward=True), VIENNA)
    here = await shop.slots(day - DAY, days=3, timezone=VIENNA.key)
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kathmandu", "America/New_York"):
        there = await shop.slots(day - 2 * DAY, days=5, timezone=zone)
        assert {slot["timezone"] for slot in there} == {zone}
        assert [datetime.fromisoformat(slot["start_local"]) for slot in there] == starts(there)
        assert {slot["start_at"] for slot in there} >= {slot["start_at"] for slot in here}
        shown = [slot for slot in there if day - DAY <= local_day(starts([slot])[0], VIENNA) <= day + DAY]
        assert starts(shown) == starts(here)
        assert await shop.slots(day - DAY, days=3, timezone=VIENNA.key) == here


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_case_23_an_exception_for_a_saturday_stays_on_saturday_for_every_viewer(site: Site, viewer: str) -> None:
    berlin, zone = ZoneInfo("Europe/Berlin"), ZoneInfo(viewer)
    saturday = site.day(SATURDAY - site.day(0).weekday() + 14)
    shop = await site.open_shop(on(saturday, "00:00", "00:15"), timezone=berlin.key, duration_minutes=15)
    start = at_local(saturday, 0, berlin)
    assert [await shop.free(saturday + n * DAY) for n in (-1, 0, 1)] == [[], [start], []]
    seen = local_day(start, zone)
    assert [await shop.free(seen + n * DAY, timezone=viewer) for n in (-1, 0, 1)] == [[], [start], []]
    [slot] = await shop.slots(seen, timezone=viewer)
    assert datetime.fromisoformat(slot["start_local"]).replace(tzinfo=None) == start.astimezone(zone).replace(
        tzinfo=None
    )
    ticket = await shop.hold(start, timezone=viewer)
    assert ticket.booking["start_local"].startswith(f"{saturday}T00:00:00")
    assert (ticket.booking["timezone"], ticket.booking["customer_timezone"]) == (berlin.key, viewer)


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("zone", [VIENNA, NEW_YORK, LORD_HOWE], ids=str)
async def test_case_24_one_closed_date_takes_nothing_from_its_neighbours(
    site: Site, zone: ZoneInfo, forward: bool
) -> None:
    change = local_day(next_change(zone, site.now(), forward=forward), zone)
    closed = change + DAY
    shop = await site.open_shop(*weekly("00:00", "24:00"), off(closed), timezone=zone.key, duration_minutes=15)
    assert await shop.slots(closed) == []
    for day in (change - DAY, change, closed + DAY):
        assert await shop.free(day) == quarters_of(day, zone)


@pytest.mark.parametrize("name", MIDNIGHTS)
async def test_case_26_a_day_without_midnight_begins_when_its_clocks_do(site: Site, name: str) -> None:
    zone = ZoneInfo(name)
    change = next_change(zone, site.now(), forward=True)
    day = local_day(change, zone)
    assert change.astimezone(zone).hour == 1
    shop = await site.open_shop(timezone=name, duration_minutes=15)
    slots = await shop.slots(day)
    assert (starts(slots)[0], local_starts(slots)[0][:5]) == (change, "01:00")
    assert starts(slots) == quarters_of(day, zone)
    assert len(slots) == 92
    assert await shop.free(day - DAY) == quarters_of(day - DAY, zone)
    missing = await shop.post(f"{day}T00:30", timezone=name)
    assert (missing.status_code, missing.json()["code"]) == (422, "nonexistent_local_time")
    ticket = await shop.hold(change)
    assert ticket.booking["start_local"].startswith(f"{day}T01:00:00")


async def test_case_27_half_past_two_on_the_autumn_day_is_two_instants(site: Site) -> None:
    change = next_change(VIENNA, site.now(), forward=False)
    day = local_day(change, VIENNA)
    first, second = change - timedelta(minutes=30), change + timedelta(minutes=30)
    shop = await site.open_shop(timezone=VIENNA.key)
    slots = {at: text for at, text in zip_starts(await shop.slots(day)) if text.startswith("02:30")}
    assert slots == {first: "02:30+02:00", second: "02:30+01:00"}
    twice = await shop.post(f"{day}T02:30", timezone=VIENNA.key)
    assert (twice.status_code, twice.json()["code"]) == (422, "ambiguous_local_time")
    held = [(await shop.hold(at.astimezone(VIENNA))).booking for at in (first, second)]
    assert [datetime.fromisoformat(booking["start_at"]).astimezone(UTC) for booking in held] == [first, second]


def zip_starts(slots: list[dict[str, object]]) -> list[tuple[datetime, str]]:
    return list(zip(starts(slots), local_starts(slots), strict=True))
