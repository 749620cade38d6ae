"""How the rules of a staff member become working time."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from core.errors import InvalidData
from modules.booking.grid import instant_of, members_of, quarter_of
from modules.booking.types import CreateAvailabilityRule, RuleType
from modules.booking.working_time import check_rule, working_bits

from .samples import blocked, exception, weekly

MONDAY = date(2027, 1, 4)


def works(rules: list[CreateAvailabilityRule], day: date = MONDAY, zone: str = "UTC", days: int = 1) -> list[str]:
    """The working spans of the UTC days from `day` on, as local times."""
    first = quarter_of(datetime(day.year, day.month, day.day, tzinfo=UTC))
    window = range(first, first + days * 96)
    working = list(members_of(working_bits(rules, ZoneInfo(zone), window), window))
    begins = [quarter for quarter in working if quarter - 1 not in working]
    ends = [quarter + 1 for quarter in working if quarter + 1 not in working]
    return [f"{local(begin, zone)}-{local(end, zone)}" for begin, end in zip(begins, ends, strict=True)]


def local(quarter: int, zone: str) -> str:
    return f"{instant_of(quarter).astimezone(ZoneInfo(zone)):%H:%M}"


def working_hours(rules: list[CreateAvailabilityRule], day: date, zone: str) -> float:
    """How long somebody works around one date whose neighbours are free."""
    first = quarter_of(datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=1))
    return working_bits(rules, ZoneInfo(zone), range(first, first + 4 * 96)).bit_count() / 4


def test_works_on_the_weekday_of_the_rule_and_on_no_other() -> None:
    rules = weekly("09:00", "17:00", [0])
    assert works(rules) == ["09:00-17:00"]
    assert works(rules, MONDAY + timedelta(days=1)) == []
    assert works([]) == []


def test_unites_split_shifts_and_overlapping_rules() -> None:
    assert works(weekly("09:00", "12:00") + weekly("13:00", "17:00")) == ["09:00-12:00", "13:00-17:00"]
    assert works(weekly("09:00", "13:00") + weekly("12:00", "17:00")) == ["09:00-17:00"]


def test_takes_weekly_breaks_away_in_whatever_order_the_rules_come() -> None:
    hours, pause = weekly("09:00", "17:00"), weekly("12:00", "12:30", is_available=False)
    assert works(hours + pause) == works(pause + hours) == ["09:00-12:00", "12:30-17:00"]


def test_an_exception_replaces_the_hours_and_breaks_of_its_date() -> None:
    usual = weekly("09:00", "17:00") + weekly("12:00", "12:30", is_available=False)
    rules = usual + exception(MONDAY, "11:00", "13:00") + exception(MONDAY, "15:00", "16:00")
    assert works(rules) == ["11:00-13:00", "15:00-16:00"]
    assert works(rules, MONDAY + timedelta(days=7)) == ["09:00-12:00", "12:30-17:00"]


def test_an_exception_opens_a_date_that_has_no_weekly_hours() -> None:
    assert works(exception(MONDAY, "10:00", "14:00")) == ["10:00-14:00"]


def test_an_unavailable_exception_takes_its_hours_from_the_usual_ones() -> None:
    rules = weekly("09:00", "17:00") + exception(MONDAY, "14:00", "15:00", is_available=False)
    assert works(rules) == ["09:00-14:00", "15:00-17:00"]


def test_an_unavailable_exception_takes_its_hours_from_the_available_ones() -> None:
    rules = (
        weekly("09:00", "17:00")
        + exception(MONDAY, "10:00", "14:00")
        + exception(MONDAY, "11:00", "12:00", is_available=False)
    )
    assert works(rules) == ["10:00-11:00", "12:00-14:00"]


def test_an_unavailable_exception_without_times_closes_its_date() -> None:
    rules = weekly("00:00", "24:00") + exception(MONDAY, None, None, is_available=False)
    assert works(rules) == []
    assert works(rules, MONDAY - timedelta(days=1), days=3) == ["00:00-00:00", "00:00-00:00"]


def test_blocked_time_is_taken_away_last() -> None:
    rules = blocked(MONDAY, "10:00", "11:00") + weekly("09:00", "17:00") + exception(MONDAY, "09:00", "12:00")
    assert works(rules) == ["09:00-10:00", "11:00-12:00"]
    assert works(rules + blocked(MONDAY)) == []


def test_time_off_over_several_days_hides_all_of_them() -> None:
    rules = weekly("09:00", "17:00") + [rule for n in range(5) for rule in blocked(MONDAY + timedelta(days=n))]
    assert works(rules, days=6) == ["09:00-17:00"]
    assert works(rules, MONDAY + timedelta(days=5)) == ["09:00-17:00"]


def test_working_time_off_the_grid_rounds_inwards() -> None:
    assert works(weekly("09:01", "11:59")) == ["09:15-11:45"]
    assert works(weekly("09:01", "09:29")) == []
    assert works(weekly("09:05", "09:10")) == []


def test_hours_that_meet_off_the_grid_are_united_before_they_are_rounded() -> None:
    assert works(weekly("09:00", "10:07") + weekly("10:07", "12:00")) == ["09:00-12:00"]


def test_breaks_and_time_off_round_outwards() -> None:
    assert works(weekly("09:00", "17:00") + weekly("12:07", "12:16", is_available=False)) == [
        "09:00-12:00",
        "12:30-17:00",
    ]
    assert works(weekly("00:00", "24:00") + blocked(MONDAY, "20:01", "23:59")) == ["00:00-20:00"]


def test_hours_that_meet_at_midnight_are_one_stretch() -> None:
    rules = weekly("20:00", "24:00", [0]) + weekly("00:00", "04:00", [1])
    assert works(rules, days=2) == ["20:00-04:00"]


def test_hours_are_those_of_the_wall_clock_on_the_spring_day() -> None:
    day = date(2027, 3, 14)
    window = range(quarter_of(datetime(2027, 3, 14, tzinfo=UTC)), quarter_of(datetime(2027, 3, 15, tzinfo=UTC)))
    bits = working_bits(weekly("13:00", "18:00"), ZoneInfo("America/New_York"), window)
    found = [instant_of(quarter) for quarter in members_of(bits, window)]
    assert found[0] == datetime(2027, 3, 14, 17, 0, tzinfo=UTC)
    assert found[-1] + timedelta(minutes=15) == datetime(2027, 3, 14, 22, 0, tzinfo=UTC)
    assert works(weekly("13:00", "18:00"), day, "America/New_York") == ["13:00-18:00"]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Vienna", date(2027, 3, 28), 23),
        ("Europe/Vienna", date(2027, 10, 31), 25),
        ("Australia/Lord_Howe", date(2027, 10, 3), 23.5),
        ("Australia/Lord_Howe", date(2027, 4, 4), 24.5),
        ("Antarctica/Troll", date(2027, 3, 28), 22),
        ("Antarctica/Troll", date(2027, 10, 31), 26),
        ("Africa/Cairo", date(2027, 4, 30), 23),
        ("America/Santiago", date(2027, 9, 5), 23),
        ("America/Santiago", date(2027, 4, 3), 25),
        ("Asia/Beirut", date(2027, 3, 28), 23),
        ("America/Havana", date(2027, 3, 14), 23),
        ("America/Havana", date(2026, 11, 1), 25),
        ("Asia/Kathmandu", date(2027, 10, 31), 24),
    ],
)
def test_a_whole_local_date_is_as_long_as_its_clocks_make_it(zone: str, day: date, hours: float) -> None:
    open_all_day = exception(day, "00:00", "24:00")
    assert working_hours(open_all_day, day, zone) == hours
    assert working_hours(weekly("00:00", "24:00"), day, zone) == 96
    assert working_hours(weekly("00:00", "24:00") + blocked(day), day, zone) == 96 - hours


def test_hours_within_a_gap_are_none() -> None:
    day = date(2027, 3, 28)
    assert working_hours(exception(day, "02:00", "03:00"), day, "Europe/Vienna") == 0
    assert working_hours(exception(day, "01:30", "03:30"), day, "Europe/Vienna") == 1


def test_hours_within_a_fold_last_from_the_first_opening_to_the_second_closing() -> None:
    day = date(2027, 10, 31)
    assert working_hours(exception(day, "02:15", "02:45"), day, "Europe/Vienna") == 1.5
    assert working_hours(exception(day, "01:00", "02:00"), day, "Europe/Vienna") == 2
    off = exception(day, "00:00", "05:00") + blocked(day, "02:15", "02:45")
    assert working_hours(off, day, "Europe/Vienna") == 4.5


def test_an_exception_stays_on_its_local_date() -> None:
    saturday = date(2027, 1, 9)
    rules = exception(saturday, "00:00", "00:15")
    window = range(quarter_of(datetime(2027, 1, 7, tzinfo=UTC)), quarter_of(datetime(2027, 1, 11, tzinfo=UTC)))
    bits = working_bits(rules, ZoneInfo("Europe/Berlin"), window)
    assert [instant_of(quarter) for quarter in members_of(bits, window)] == [datetime(2027, 1, 8, 23, 0, tzinfo=UTC)]


def test_cuts_working_time_to_the_window() -> None:
    first = quarter_of(datetime(2027, 1, 4, 10, 0, tzinfo=UTC))
    assert working_bits(weekly("09:00", "10:30"), ZoneInfo("UTC"), range(first, first + 4)) == 0b0011
    assert working_bits(weekly("10:30", "18:00"), ZoneInfo("UTC"), range(first, first + 4)) == 0b1100
    assert working_bits(weekly("09:00", "18:00"), ZoneInfo("UTC"), range(0)) == 0


def rule(rule_type: RuleType, **fields: object) -> CreateAvailabilityRule:
    values: dict[str, object] = {"start_time": "09:00", "end_time": "17:00", **fields}
    return CreateAvailabilityRule(staff_id="bkstf_1", rule_type=rule_type, **values)  # pyright: ignore[reportArgumentType] any field


@pytest.mark.parametrize(
    "sound",
    [
        rule(RuleType.RECURRING, day_of_week=0),
        rule(RuleType.RECURRING, day_of_week=6, start_time="00:00", end_time="24:00"),
        rule(RuleType.RECURRING, day_of_week=6, is_available=False),
        rule(RuleType.EXCEPTION, specific_date=MONDAY),
        rule(RuleType.EXCEPTION, specific_date=MONDAY, is_available=False),
        rule(RuleType.EXCEPTION, specific_date=MONDAY, is_available=False, start_time=None, end_time=None),
        rule(RuleType.BLOCKED, specific_date=MONDAY),
        rule(RuleType.BLOCKED, specific_date=MONDAY, start_time=None, end_time=None),
    ],
)
def test_accepts_a_rule_that_makes_sense(sound: CreateAvailabilityRule) -> None:
    check_rule(sound)


@pytest.mark.parametrize(
    ("senseless", "field"),
    [
        (rule(RuleType.RECURRING), "day_of_week"),
        (rule(RuleType.RECURRING, day_of_week=7), "day_of_week"),
        (rule(RuleType.RECURRING, day_of_week=-1), "day_of_week"),
        (rule(RuleType.RECURRING, day_of_week=0, specific_date=MONDAY), "specific_date"),
        (rule(RuleType.RECURRING, day_of_week=0, start_time=None, end_time=None), "start_time"),
        (rule(RuleType.RECURRING, day_of_week=0, end_time=None), "end_time"),
        (rule(RuleType.RECURRING, day_of_week=0, start_time=None), "start_time"),
        (rule(RuleType.RECURRING, day_of_week=0, start_time="9:00"), "start_time"),
        (rule(RuleType.RECURRING, day_of_week=0, end_time="24:15"), "end_time"),
        (rule(RuleType.RECURRING, day_of_week=0, start_time="17:00"), "end_time"),
        (rule(RuleType.RECURRING, day_of_week=0, start_time="22:00", end_time="06:00"), "end_time"),
        (rule(RuleType.RECURRING, day_of_week=0, end_time="00:00"), "end_time"),
        (rule(RuleType.RECURRING, day_of_week=0, start_time="24:00", end_time="24:00"), "end_time"),
        (rule(RuleType.EXCEPTION), "specific_date"),
        (rule(RuleType.EXCEPTION, specific_date=MONDAY, day_of_week=0), "day_of_week"),
        (rule(RuleType.EXCEPTION, specific_date=MONDAY, start_time=None, end_time=None), "start_time"),
        (rule(RuleType.BLOCKED), "specific_date"),
        (rule(RuleType.BLOCKED, specific_date=MONDAY, day_of_week=0), "day_of_week"),
        (rule(RuleType.BLOCKED, specific_date=MONDAY, start_time=None), "start_time"),
    ],
)
def test_refuses_a_rule_that_makes_no_sense(senseless: CreateAvailabilityRule, field: str) -> None:
    with pytest.raises(InvalidData) as refused:
        check_rule(senseless)
    assert refused.value.data["errors"][0]["field"] == field
