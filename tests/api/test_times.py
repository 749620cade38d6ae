"""Instants out of requests."""

from datetime import UTC, datetime

import pytest

from api.errors import InvalidRequest, TimezoneRequired
from api.times import instant
from core.errors import HoldfastError, InvalidData
from modules.booking import AmbiguousLocalTime, InPast, NonexistentLocalTime, TooFarAhead


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-31T10:00Z", datetime(2030, 1, 31, 10, tzinfo=UTC)),
        ("2030-01-31t10:00:00z", datetime(2030, 1, 31, 10, tzinfo=UTC)),
        ("2030-01-31 10:00:00.5+01:00", datetime(2030, 1, 31, 9, 0, 0, 500_000, tzinfo=UTC)),
        ("2030-01-31T10:00:00.000000000-05:30", datetime(2030, 1, 31, 15, 30, tzinfo=UTC)),
        ("1969-12-31T23:00:00Z", datetime(1969, 12, 31, 23, tzinfo=UTC)),
    ],
)
def test_reads_iso_8601_with_an_offset(text: str, expected: datetime) -> None:
    assert instant(text, None, field="start_at") == expected


def test_reads_wall_time_in_the_time_zone_of_the_body() -> None:
    assert instant("2030-07-01T10:00", "Europe/Vienna", field="start_at") == datetime(2030, 7, 1, 8, tzinfo=UTC)


def test_an_offset_goes_before_the_time_zone() -> None:
    assert instant("2030-07-01T10:00Z", "Europe/Vienna", field="start_at") == datetime(2030, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "-1",
        "1893492000",
        "2030-01-31",
        "10:00",
        "20300131T100000Z",
        "2030-W05-4T10:00Z",
        "2030-02-30T10:00Z",
        "2030-01-31T24:00Z",
        "2030-01-31T10:00:60Z",
        "2030-01-31T10:00+25:00",
        "2030-01-31T10:00:00.0000001Z",
        "-0001-01-01T10:00Z",
        "12030-01-31T10:00Z",
        "\u0662030-01-31T10:00Z",
        "2030-01-31T10:00Z\n",
    ],
)
def test_refuses_what_is_no_date_and_time(text: str) -> None:
    with pytest.raises(InvalidRequest):
        instant(text, "UTC", field="start_at")


@pytest.mark.parametrize(
    ("text", "timezone", "error"),
    [
        ("2030-01-31T10:00", None, TimezoneRequired),
        ("2030-01-31T10:00", "Mars/Olympus", InvalidData),
        ("2030-01-31T10:00", "../etc/passwd", InvalidData),
        ("2030-01-31T10:00", "", InvalidData),
        ("2030-01-31T10:00Z", "Mars/Olympus", InvalidData),
        ("2030-03-31T02:30", "Europe/Vienna", NonexistentLocalTime),
        ("2030-10-27T02:30", "Europe/Vienna", AmbiguousLocalTime),
        ("0001-01-01T00:00+14:00", None, InPast),
        ("9999-12-31T23:59-01:00", None, TooFarAhead),
        ("0001-01-01T00:00", "Asia/Tokyo", InvalidData),
        ("9999-12-31T23:59", "America/New_York", InvalidData),
    ],
)
def test_says_why_it_cannot_tell_the_instant(text: str, timezone: str | None, error: type[HoldfastError]) -> None:
    with pytest.raises(HoldfastError) as caught:
        instant(text, timezone, field="start_at")
    assert type(caught.value) is error
