"""Wall clocks and instants on the days on which clocks change."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from core.errors import InvalidData
from modules.booking.errors import AmbiguousLocalTime, NonexistentLocalTime
from modules.booking.local_time import first_instant, local_to_instant, parse_time_of_day

VIENNA = ZoneInfo("Europe/Vienna")


def opens(zone: str, day: date, time_of_day: str) -> str:
    return first_instant(day, time_of_day, ZoneInfo(zone), closing=False).isoformat()[:16]


def closes(zone: str, day: date, time_of_day: str) -> str:
    return first_instant(day, time_of_day, ZoneInfo(zone), closing=True).isoformat()[:16]


def test_reads_a_time_of_day_as_minutes() -> None:
    assert [parse_time_of_day(text) for text in ("00:00", "09:05", "23:59", "24:00")] == [0, 545, 1439, 1440]


@pytest.mark.parametrize(
    "text", ["", "9:00", "09:00 ", "09:00\n", "09:60", "24:01", "25:00", "09.00", "-1:00", "\u0660\u0669:\u0660\u0660"]
)
def test_refuses_what_is_not_a_time_of_day(text: str) -> None:
    with pytest.raises(InvalidData) as refused:
        parse_time_of_day(text, field="start_time")
    assert refused.value.data["errors"][0]["field"] == "start_time"


def test_reads_a_wall_time_in_its_zone() -> None:
    assert local_to_instant(datetime(2027, 7, 1, 10, 0), VIENNA) == datetime(2027, 7, 1, 8, 0, tzinfo=UTC)


def test_refuses_a_wall_time_that_the_clocks_skip() -> None:
    with pytest.raises(NonexistentLocalTime):
        local_to_instant(datetime(2027, 3, 28, 2, 30), VIENNA)
    assert local_to_instant(datetime(2027, 3, 28, 3, 0), VIENNA) == datetime(2027, 3, 28, 1, 0, tzinfo=UTC)


def test_refuses_a_wall_time_that_happens_twice() -> None:
    with pytest.raises(AmbiguousLocalTime):
        local_to_instant(datetime(2027, 10, 31, 2, 30), VIENNA)
    with pytest.raises(AmbiguousLocalTime):
        local_to_instant(datetime(2027, 10, 31, 2, 30, fold=1), VIENNA)


@pytest.mark.parametrize(
    ("wall", "zone"),
    [(datetime(1, 1, 1), "Asia/Kathmandu"), (datetime(9999, 12, 31, 23), "America/New_York")],
)
def test_refuses_a_wall_time_beyond_the_calendar(wall: datetime, zone: str) -> None:
    with pytest.raises(InvalidData):
        local_to_instant(wall, ZoneInfo(zone))


def test_local_hours_follow_the_new_offset_on_the_spring_day() -> None:
    day = date(2027, 3, 14)
    assert opens("America/New_York", day, "13:00") == "2027-03-14T17:00"
    assert closes("America/New_York", day, "18:00") == "2027-03-14T22:00"


def test_a_skipped_time_moves_to_the_first_instant_after_the_gap() -> None:
    day = date(2027, 3, 28)
    for time_of_day in ("02:00", "02:30", "02:59", "03:00"):
        assert (
            opens("Europe/Vienna", day, time_of_day) == closes("Europe/Vienna", day, time_of_day) == "2027-03-28T01:00"
        )


def test_a_gap_of_two_hours_or_of_half_an_hour_ends_where_it_ends() -> None:
    assert opens("Antarctica/Troll", date(2027, 3, 28), "01:10") == "2027-03-28T01:00"
    assert opens("Antarctica/Troll", date(2027, 3, 28), "02:50") == "2027-03-28T01:00"
    assert opens("Australia/Lord_Howe", date(2027, 10, 3), "02:07") == "2027-10-02T15:30"


def test_an_opening_takes_the_first_and_a_closing_the_second_of_two_readings() -> None:
    day = date(2027, 10, 31)
    assert opens("Europe/Vienna", day, "02:30") == "2027-10-31T00:30"
    assert closes("Europe/Vienna", day, "02:30") == "2027-10-31T01:30"
    assert opens("Europe/Vienna", day, "03:00") == closes("Europe/Vienna", day, "03:00") == "2027-10-31T02:00"


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        ("Africa/Cairo", date(2027, 4, 30), "2027-04-29T22:00"),
        ("America/Santiago", date(2027, 9, 5), "2027-09-05T04:00"),
        ("Asia/Beirut", date(2027, 3, 28), "2027-03-27T22:00"),
        ("America/Havana", date(2027, 3, 14), "2027-03-14T05:00"),
    ],
)
def test_a_date_without_midnight_begins_where_the_one_before_ends(zone: str, day: date, begins: str) -> None:
    assert opens(zone, day, "00:00") == opens(zone, day, "00:45") == begins
    assert closes(zone, date.fromordinal(day.toordinal() - 1), "24:00") == begins


def test_the_last_hour_of_a_date_that_happens_twice_belongs_to_it() -> None:
    day = date(2027, 10, 28)
    assert opens("Africa/Cairo", day, "23:00") == "2027-10-28T20:00"
    assert closes("Africa/Cairo", day, "23:00") == "2027-10-28T21:00"
    assert (
        closes("Africa/Cairo", day, "24:00") == opens("Africa/Cairo", date(2027, 10, 29), "00:00") == "2027-10-28T22:00"
    )


def test_a_date_ends_at_the_first_of_two_midnights() -> None:
    assert closes("America/Havana", date(2026, 10, 31), "24:00") == "2026-11-01T04:00"
    assert closes("America/Havana", date(2026, 11, 1), "00:00") == "2026-11-01T05:00"


def test_a_date_that_a_zone_skipped_has_no_length() -> None:
    day = date(2011, 12, 30)
    assert opens("Pacific/Apia", day, "09:00") == closes("Pacific/Apia", day, "17:00") == "2011-12-30T10:00"
