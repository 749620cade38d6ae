from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from core.clock import Clock


def test_tells_this_machines_time_in_utc_unless_told_otherwise() -> None:
    before = datetime.now(UTC)
    now = Clock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.tzinfo is UTC


def test_tells_whether_it_is_this_machines_alone() -> None:
    clock = Clock()
    assert not clock.is_set
    clock.set_offset(timedelta())
    assert clock.is_set


def test_an_offset_replaces_the_one_before() -> None:
    clock = Clock()
    clock.set_offset(timedelta(days=5))
    clock.set_offset(timedelta(hours=-1))
    assert timedelta(minutes=59) < datetime.now(UTC) - clock.now() < timedelta(minutes=61)


def test_does_not_follow_the_machines_clock_when_somebody_sets_that(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    clock.set_offset(timedelta(days=5))
    before = clock.now()

    class SetForward(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "SetForward":
            return cls.fromtimestamp(datetime.now(tz).timestamp() + 3600, tz)

    monkeypatch.setattr("core.clock.datetime", SetForward)

    assert before <= clock.now() < before + timedelta(minutes=30)
    clock.set_offset(timedelta(days=5))
    assert clock.now() > before + timedelta(minutes=30)


def test_does_not_go_back_because_the_offset_was_measured_a_little_smaller() -> None:
    clock = Clock()
    clock.set_offset(timedelta(milliseconds=300))
    before = clock.now()
    clock.set_offset(timedelta())
    assert clock.now() == before
    clock.set_offset(timedelta(hours=-1))
    assert clock.now() < before
