"""Which slots are offered, worked out the slow way: minute by minute, with lists, sharing no code with the module.

Every UTC minute around the question is looked at on the wall clock of the staff member, marked as open or taken
away by walking the rules, and every quarter-hour start is then tried on its own.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)


class Rule(NamedTuple):
    kind: str
    weekday: int | None
    day: date | None
    start: str | None
    end: str | None
    available: bool


class Claim(NamedTuple):
    start_at: datetime
    duration_minutes: int
    buffer_minutes: int


class Person(NamedTuple):
    id: str
    timezone: str
    rules: Sequence[Rule]
    claims: Sequence[Claim]


class Question(NamedTuple):
    duration_minutes: int
    buffer_minutes: int
    notice_minutes: int
    horizon_days: int
    now: datetime
    day: date
    days: int
    timezone: str | None


class Offer(NamedTuple):
    start_at: str
    end_at: str
    start_local: str
    timezone: str
    available: bool
    staff_ids: list[str]


class Minute(NamedTuple):
    at: datetime
    wall: datetime


def offers(people: Sequence[Person], question: Question) -> list[Offer]:
    """Answer the question with every offer, sorted by instant."""
    found: dict[datetime, list[tuple[Person, bool]]] = {}
    for person in sorted(people):
        for start_at, free in starts_of(person, question):
            found.setdefault(start_at, []).append((person, free))
    return [offer(start_at, found[start_at], question) for start_at in sorted(found)]


def offer(start_at: datetime, candidates: list[tuple[Person, bool]], question: Question) -> Offer:
    free = [person for person, is_free in candidates if is_free]
    shown_for = free[0] if free else candidates[0][0]
    zone = question.timezone or shown_for.timezone
    return Offer(
        start_at=start_at.isoformat(),
        end_at=(start_at + question.duration_minutes * MINUTE).isoformat(),
        start_local=start_at.astimezone(ZoneInfo(zone)).isoformat(),
        timezone=zone,
        available=bool(free),
        staff_ids=[person.id for person in free],
    )


def starts_of(person: Person, question: Question) -> Iterator[tuple[datetime, bool]]:
    """Yield each start that this person's rules allow, and whether it is free."""
    minutes = walk(person.timezone, question.day, question.days)
    working = working_minutes(person, minutes)
    viewer = ZoneInfo(question.timezone or person.timezone)
    dates = [question.day + timedelta(days=n) for n in range(question.days)]
    for i in range(0, len(minutes), 15):
        start_at = minutes[i].at
        if start_at.astimezone(viewer).date() not in dates:
            continue
        if start_at < question.now or start_at < question.now + question.notice_minutes * MINUTE:
            continue
        if start_at > question.now + timedelta(days=question.horizon_days):
            continue
        if all(working[i : i + quarter_up(question.duration_minutes)]):
            yield start_at, is_free(person, start_at, question)


@lru_cache(maxsize=8)
def walk(timezone: str, day: date, days: int) -> list[Minute]:
    """List the minutes that can matter: viewers are up to 14 hours ahead, services up to a day long."""
    zone = ZoneInfo(timezone)
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=1)
    instants = [begin + n * MINUTE for n in range((days + 3) * 1440)]
    return [Minute(at, at.astimezone(zone).replace(tzinfo=None, fold=0)) for at in instants]


def working_minutes(person: Person, minutes: list[Minute]) -> list[bool]:
    """Mark the minutes of each quarter hour that is open throughout and of which nothing is taken away."""
    opened = [False] * len(minutes)
    taken = [False] * len(minutes)
    by_date: dict[date, list[int]] = {}
    for i, minute in enumerate(minutes):
        by_date.setdefault(minute.wall.date(), []).append(i)
    for day in by_date:
        hours, away = rules_of(person, day)
        for marks, rules in ((opened, hours), (taken, away)):
            for rule in rules:
                first = opening(day, rule.start or "00:00", minutes, by_date)
                after = closing(day, rule.end or "24:00", minutes, by_date)
                marks[first:after] = [True] * len(marks[first:after])
    working = [False] * len(minutes)
    for i in range(0, len(minutes), 15):
        working[i : i + 15] = [all(opened[i : i + 15]) and not any(taken[i : i + 15])] * 15
    return working


def rules_of(person: Person, day: date) -> tuple[list[Rule], list[Rule]]:
    """Return the rules that open one date, and those that take hours away from it."""
    weekly = [rule for rule in person.rules if rule.kind == "recurring" and rule.weekday == day.weekday()]
    exceptions = [rule for rule in person.rules if rule.kind == "exception" and rule.day == day]
    blocked = [rule for rule in person.rules if rule.kind == "blocked" and rule.day == day]
    refused = [rule for rule in exceptions if not rule.available]
    base = exceptions if len(refused) < len(exceptions) else weekly
    breaks = [rule for rule in base if not rule.available]
    return [rule for rule in base if rule.available], breaks + refused + blocked


def opening(day: date, time: str, minutes: list[Minute], by_date: dict[date, list[int]]) -> int:
    """Return the first minute of the date that is not before the time; skipped to the end, the next date's first."""
    target = on_wall(day, time)
    for i in by_date[day]:
        if minutes[i].wall >= target:
            return i
    return next_date(day, minutes, by_date)


def closing(day: date, time: str, minutes: list[Minute], by_date: dict[date, list[int]]) -> int:
    """Return the last minute that shows the time, or the first after it where the clocks skip it."""
    if time == "24:00":
        return next_date(day, minutes, by_date)
    target = on_wall(day, time)
    showing = [i for i in by_date[day] if minutes[i].wall == target]
    return showing[-1] if showing else opening(day, time, minutes, by_date)


def next_date(day: date, minutes: list[Minute], by_date: dict[date, list[int]]) -> int:
    later = [indexes[0] for other, indexes in by_date.items() if other > day]
    return min(later, default=len(minutes))


def on_wall(day: date, time: str) -> datetime:
    return datetime(day.year, day.month, day.day, int(time[:2]), int(time[3:]))


def is_free(person: Person, start_at: datetime, question: Question) -> bool:
    end = start_at + quarter_up(question.duration_minutes + question.buffer_minutes) * MINUTE
    for claim in person.claims:
        claim_end = claim.start_at + quarter_up(claim.duration_minutes + claim.buffer_minutes) * MINUTE
        if start_at < claim_end and claim.start_at < end:
            return False
    return True


def quarter_up(minutes: int) -> int:
    """Round up to a multiple of 15 by counting."""
    while minutes % 15:
        minutes += 1
    return minutes
