"""Random shops and questions: zones around their changes of clock, odd rules, neighbours with buffers."""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from modules.booking.types import CreateAvailabilityRule, CreateService, CreateStaff, RuleType

CHANGES = {
    "Europe/Vienna": [date(2027, 3, 28), date(2027, 10, 31)],
    "America/New_York": [date(2027, 3, 14), date(2027, 11, 7)],
    "Australia/Lord_Howe": [date(2027, 4, 4), date(2027, 10, 3)],
    "Asia/Kathmandu": [date(2027, 1, 1)],
    "America/Santiago": [date(2027, 4, 3), date(2027, 4, 4), date(2027, 9, 5)],
    "Africa/Cairo": [date(2027, 4, 30), date(2027, 10, 28), date(2027, 10, 29)],
    "Antarctica/Troll": [date(2027, 3, 28), date(2027, 10, 31)],
}
# Clocks are changed in the first three hours of a date or the last one; minutes after midnight.
CHANGED_BY, CHANGED_FROM = 180, 1380
STAFF_ID = "bkstf_of_the_scenario"


class BookedTime(NamedTuple):
    """A live booking: when it starts, how long its service is, and the buffer behind it."""

    start_at: datetime
    duration_minutes: int
    buffer_minutes: int

    @property
    def claimed_until(self) -> datetime:
        """The end of its claims."""
        quarters = (self.duration_minutes + self.buffer_minutes + 14) // 15
        return self.start_at + quarters * timedelta(minutes=15)


class Member(NamedTuple):
    """One staff member; the rules' `staff_id` is `STAFF_ID`, to be replaced once there is one."""

    staff: CreateStaff
    rules: list[CreateAvailabilityRule]
    booked: list[BookedTime]


class Scenario(NamedTuple):
    """A shop and one question to it; `timezone` is the viewer's, if they name one."""

    service: CreateService
    members: list[Member]
    now: datetime
    day: date
    days: int
    timezone: str | None


def clock(minute: int) -> str:
    """Write minutes since midnight as `HH:MM`."""
    return f"{minute // 60:02}:{minute % 60:02}"


@st.composite
def spans(draw: st.DrawFn, shortest: int = 1, longest: int = 1440) -> tuple[str, str]:
    """Draw a start and an end: two times out of three on the quarter hour, often with an edge where clocks change."""
    length = draw(st.integers(shortest, longest))
    earliest, latest = 0, 1440 - length
    edge = draw(st.sampled_from(["early start", "early end", "late end", "any", "any"]))
    if edge == "early start":
        latest = min(latest, CHANGED_BY)
    elif edge == "early end" and length <= CHANGED_BY:
        latest = CHANGED_BY - length
    elif edge == "late end":
        earliest = max(0, CHANGED_FROM - length)
    start = draw(st.integers(earliest, latest))
    if draw(st.integers(0, 2)):
        start, length = start // 15 * 15, max(15, length // 15 * 15)
    return clock(start), clock(min(start + length, 1440))


@st.composite
def lengths(draw: st.DrawFn) -> int:
    """Draw a duration: mostly an everyday one."""
    kind = draw(st.integers(0, 9))
    if kind < 5:
        return draw(st.sampled_from([15, 20, 30, 45, 60, 90, 105]))
    return draw(st.integers(1, 180) if kind < 9 else st.integers(1, 1440))


@st.composite
def weekly_rules(draw: st.DrawFn, day: date, duration: int) -> list[CreateAvailabilityRule]:
    """Draw recurring hours that mostly have room for the duration on most days, and sometimes a break."""
    style = draw(st.integers(0, 5))
    if style == 0 or duration > 900:
        shifts = [("00:00", "24:00")]
    elif style == 1:
        shifts = [("08:30", "12:15"), draw(spans(shortest=min(max(240, duration), 660), longest=720))]
    elif style == 2:
        shifts = [
            ("00:00", clock(draw(st.integers(30, CHANGED_BY)))),
            (clock(draw(st.integers(30, CHANGED_BY))), "24:00"),
        ]
    else:
        shifts = [draw(spans(shortest=min(max(360, duration + 30), 1300), longest=1440))]
    weekdays = set(range(7)) - draw(st.sets(st.integers(0, 6), max_size=2))
    if draw(st.integers(0, 9)):
        weekdays.add(day.weekday())
    rules = [recurring(weekday, *times) for weekday in sorted(weekdays) for times in shifts]
    if draw(st.integers(0, 3)) == 0:
        rules.append(recurring(day.weekday(), *draw(spans(longest=90)), is_available=False))
    return rules


def recurring(weekday: int, start: str, end: str, *, is_available: bool = True) -> CreateAvailabilityRule:
    """Make a rule for a weekday."""
    return CreateAvailabilityRule(
        staff_id=STAFF_ID, day_of_week=weekday, start_time=start, end_time=end, is_available=is_available
    )


@st.composite
def dated_rules(draw: st.DrawFn, day: date, days: int) -> list[CreateAvailabilityRule]:
    """Draw exceptions and time off on the dates around the question."""
    rules: list[CreateAvailabilityRule] = []
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 3]))):
        on = day + timedelta(days=draw(st.integers(-1, days)))
        kind = draw(st.sampled_from(["hours", "hours", "part", "part", "off", "off", "closed", "all day"]))
        if kind in ("closed", "all day"):
            times = (None, None)
        else:
            times = draw(spans(shortest=300) if kind == "hours" else spans(longest=300))
        rules.append(
            CreateAvailabilityRule(
                staff_id=STAFF_ID,
                rule_type=RuleType.BLOCKED if kind in ("off", "all day") else RuleType.EXCEPTION,
                specific_date=on,
                start_time=times[0],
                end_time=times[1],
                is_available=kind not in ("part", "closed"),
            )
        )
    return rules


@st.composite
def booked_times(draw: st.DrawFn, day: date, days: int) -> list[BookedTime]:
    """Draw live bookings of one staff member, none over another's claims."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    kept: list[BookedTime] = []
    for _ in range(draw(st.integers(0, 6))):
        start_at = midnight + draw(st.integers(-48, days * 96 + 48)) * timedelta(minutes=15)
        booked = BookedTime(start_at, draw(lengths()), draw(st.sampled_from([0, 0, 5, 10, 15, 30, 60])))
        if all(booked.claimed_until <= other.start_at or other.claimed_until <= start_at for other in kept):
            kept.append(booked)
    return kept


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Draw a shop with one to three staff members and a question about some of its days."""
    home = draw(st.sampled_from(sorted(CHANGES)))
    day = draw(st.sampled_from(CHANGES[home])) + timedelta(days=draw(st.sampled_from([-2, -1, 0, 0, 0, 0, 0, 0, 0, 9])))
    days = draw(st.sampled_from([1, 1, 2, 3]))
    service = draw(services())
    members: list[Member] = []
    for number in range(draw(st.integers(1, 3))):
        zone = draw(st.sampled_from([home, home, home, *sorted(CHANGES)]))
        rules = draw(weekly_rules(day, service.duration_minutes)) + draw(dated_rules(day, days))
        members.append(Member(CreateStaff(name=f"Staff {number}", timezone=zone), rules, draw(booked_times(day, days))))
    return Scenario(
        service=service,
        members=members,
        now=draw(moments(day, ZoneInfo(home))),
        day=day,
        days=days,
        timezone=draw(st.sampled_from([None, None, home, *sorted(CHANGES), "Pacific/Kiritimati", "Pacific/Midway"])),
    )


@st.composite
def services(draw: st.DrawFn) -> CreateService:
    """Draw a service, mostly without a notice worth mentioning and with a wide horizon."""
    return CreateService(
        name="Service",
        price=2500,
        duration_minutes=draw(lengths()),
        buffer_minutes=draw(st.sampled_from([0, 0, 5, 10, 15, 25, 60, 480])),
        min_notice_minutes=draw(st.sampled_from([0, 0, 0, 0, 1, 59, 60, 240, 1440])),
        max_days_ahead=draw(st.sampled_from([365, 365, 365, 30, 5])),
    )


@st.composite
def moments(draw: st.DrawFn, day: date, zone: ZoneInfo) -> datetime:
    """Draw the present: days before the question, or in the middle of its first day."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    before = draw(st.sampled_from([4 * 1440, 3 * 1440, 2 * 1440, 1440, 0]))
    seconds = draw(st.integers(0, 12 * 3600))
    if draw(st.booleans()):
        seconds = seconds // 900 * 900  # a present on the grid has its first and last start exactly at the bounds
    return midnight - timedelta(minutes=before) + timedelta(seconds=seconds)
