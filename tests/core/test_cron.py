"""Schedules tick as Debian's cron does, in every zone and through every change of the clock."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cron import Schedule, check_cron
from core.errors import ConfigurationError

VIENNA = "Europe/Vienna"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ticks(cron: str, zone: str, since: datetime, until: datetime) -> list[str]:
    """All ticks after one instant up to another."""
    schedule, found = Schedule(cron, zone), list[str]()
    while (tick := schedule.following(since)) is not None and tick <= until:
        found.append(tick.strftime("%dT%H:%M"))
        since = tick
    return found


@pytest.mark.parametrize(
    ("cron", "now", "latest", "following"),
    [
        ("*/5 * * * *", "2026-11-22T10:07:30", "2026-11-22T10:05:00", "2026-11-22T10:10:00"),
        ("*/5 * * * *", "2026-11-22T10:05:00", "2026-11-22T10:05:00", "2026-11-22T10:10:00"),
        ("30 3 * * *", "2026-11-22T02:29:59.999", "2026-11-21T02:30:00", "2026-11-22T02:30:00"),
        ("0 0 1 * *", "2026-11-22T12:00:00", "2026-10-31T23:00:00", "2026-11-30T23:00:00"),
        ("0 0 29 2 *", "2026-11-22T12:00:00", "2024-02-28T23:00:00", "2028-02-28T23:00:00"),
        ("*/10 * * * * *", "2026-11-22T12:00:11", "2026-11-22T12:00:10", "2026-11-22T12:00:20"),
    ],
)
def test_knows_the_tick_before_and_the_tick_after(cron: str, now: str, latest: str, following: str):
    schedule = Schedule(cron, VIENNA)
    assert schedule.latest(utc(now)) == utc(latest)
    assert schedule.following(utc(now)) == utc(following)


def test_a_time_that_is_left_out_ticks_right_after_the_change():
    spring = utc("2026-03-28T12:00"), utc("2026-03-30T12:00")
    assert ticks("30 2 * * *", VIENNA, *spring) == ["29T01:00", "30T00:30"]
    assert Schedule("30 2 * * *", VIENNA).latest(utc("2026-03-29T12:00")) == utc("2026-03-29T01:00")


def test_a_time_that_comes_twice_ticks_once():
    autumn = utc("2026-10-24T12:00"), utc("2026-10-26T12:00")
    assert ticks("30 2 * * *", VIENNA, *autumn) == ["25T00:30", "26T01:30"]
    # In the second of the two hours the tick of the first one is the latest.
    assert Schedule("30 2 * * *", VIENNA).latest(utc("2026-10-25T01:10")) == utc("2026-10-25T00:30")
    assert Schedule("30 2 * * *", VIENNA).following(utc("2026-10-25T01:10")) == utc("2026-10-26T01:30")


def test_every_hour_is_every_hour_whatever_the_clocks_do():
    autumn = utc("2026-10-24T22:00"), utc("2026-10-25T03:00")
    assert ticks("0 * * * *", VIENNA, *autumn) == ["24T23:00", "25T00:00", "25T01:00", "25T02:00", "25T03:00"]


@settings(max_examples=200, deadline=None)
@given(
    cron=st.sampled_from(["*/5 * * * *", "30 2 * * *", "0,30 2 * * *", "15 */6 * * *", "0 0 1 * *", "0 9 * * 1-5"]),
    zone=st.sampled_from(
        ["UTC", VIENNA, "America/Sao_Paulo", "Asia/Beirut", "Australia/Lord_Howe", "Antarctica/Troll"]
    ),
    now=st.datetimes(datetime(2015, 1, 1), datetime(2030, 1, 1)),
)
def test_nothing_ticks_between_the_latest_tick_and_the_following_one(cron: str, zone: str, now: datetime):
    now, schedule = now.replace(tzinfo=UTC), Schedule(cron, zone)
    latest, following = schedule.latest(now), schedule.following(now)
    assert latest is not None
    assert following is not None
    assert latest <= now < following
    assert schedule.following(latest) == following
    assert schedule.latest(following) == following
    assert schedule.latest(following - timedelta(seconds=1)) == latest


def test_ticks_go_on_for_a_year_without_one_twice():
    found = ticks("0,30 2,3 * * *", VIENNA, utc("2026-01-01T00:00"), utc("2026-12-31T00:00"))
    assert all(one != other for one, other in pairwise(found))


@pytest.mark.parametrize("cron", ["", "* * * *", "60 * * * *", "a b c d e", "*/0 * * * *", "@daily", "5-1 * * * *"])
def test_refuses_what_is_no_cron_expression(cron: str):
    with pytest.raises(ConfigurationError, match="no cron expression"):
        check_cron(cron)


def test_refuses_what_never_ticks():
    with pytest.raises(ConfigurationError, match="Bad day-of-month"):
        check_cron("0 0 31 2 *")
    with pytest.raises(ConfigurationError, match="never ticks"):
        check_cron("0 0 */31 2,4 FRI#5")


def test_refuses_a_zone_that_does_not_exist():
    with pytest.raises(ConfigurationError, match="Mars"):
        Schedule("* * * * *", "Mars/Phobos")


@settings(max_examples=300, deadline=None)
@given(st.text("0123456789*/,-#L WMONJA@", max_size=14).map(lambda text: f"{text} * * * *"))
def test_whatever_is_written_is_a_schedule_or_a_configuration_error(cron: str):
    try:
        schedule = Schedule(cron, "UTC")
    except ConfigurationError:
        return
    assert schedule.following(utc("2026-01-01T00:00")) is not None
