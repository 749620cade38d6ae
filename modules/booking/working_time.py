"""From the availability rules of one staff member to the quarters in which they work.

How the rules of one local date combine:

1. Its opening hours are the union of its available exceptions; without one, of its weekday's recurring rules
   less the weekday's breaks (recurring rules with `is_available` false).
2. An exception with `is_available` false takes its hours away, all of the date if it has no times.
3. Blocked time is taken away last, all of the date if it has no times.

A quarter is working time when opening hours cover all of it and nothing taken away touches it: working time off
the grid rounds inwards, breaks and time off outwards.
"""

from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from core.errors import InvalidData

from .grid import EPOCH, QUARTER, instant_of, mask
from .local_time import first_instant, parse_time_of_day
from .types import AvailabilityRule, CreateAvailabilityRule, RuleType

Rule = AvailabilityRule | CreateAvailabilityRule
Times = tuple[str, str]


class DayHours(NamedTuple):
    """Local times of one date: those that open it and those taken away again."""

    opened: tuple[Times, ...] = ()
    taken: tuple[Times, ...] = ()


class HoursPlan(NamedTuple):
    """The hours of each weekday, and of each date that has rules of its own."""

    weekly: tuple[DayHours, ...]
    special: dict[date, DayHours]


def check_rule(rule: Rule) -> None:
    """Raise `InvalidData` unless the rule, taken as a whole, makes sense."""
    if rule.rule_type is RuleType.RECURRING:
        if rule.day_of_week is None or not 0 <= rule.day_of_week <= 6:
            raise InvalidData("a recurring rule needs a weekday from 0 (Monday) to 6", field="day_of_week")
        if rule.specific_date is not None:
            raise InvalidData("a recurring rule has no date", field="specific_date")
    else:
        if rule.specific_date is None:
            raise InvalidData(f"a rule of type {rule.rule_type} needs a date", field="specific_date")
        if rule.day_of_week is not None:
            raise InvalidData(f"a rule of type {rule.rule_type} has no weekday", field="day_of_week")
    _check_times(rule)


def _check_times(rule: Rule) -> None:
    if rule.start_time is None and rule.end_time is None:
        closes = rule.rule_type is RuleType.EXCEPTION and not rule.is_available
        if not closes and rule.rule_type is not RuleType.BLOCKED:
            raise InvalidData("hours need a start and an end", field="start_time")
        return
    if rule.start_time is None or rule.end_time is None:
        missing = "start_time" if rule.start_time is None else "end_time"
        raise InvalidData("start and end are given together or not at all", field=missing)
    start = parse_time_of_day(rule.start_time, field="start_time")
    if parse_time_of_day(rule.end_time, field="end_time") <= start:
        raise InvalidData("the end must be later than the start; hours over midnight are two rules", field="end_time")


def plan_hours(rules: Sequence[Rule]) -> HoursPlan:
    """Sort the rules of one staff member into weekdays and dates."""
    weekly = tuple(_weekday_hours(rules, weekday) for weekday in range(7))
    dates = {rule.specific_date for rule in rules if rule.specific_date is not None}
    return HoursPlan(weekly, {day: _date_hours(rules, day, weekly[day.weekday()]) for day in dates})


def _weekday_hours(rules: Sequence[Rule], weekday: int) -> DayHours:
    recurring = [rule for rule in rules if rule.rule_type is RuleType.RECURRING and rule.day_of_week == weekday]
    return DayHours(_times(recurring, available=True), _times(recurring, available=False))


def _date_hours(rules: Sequence[Rule], day: date, usual: DayHours) -> DayHours:
    of_day = [rule for rule in rules if rule.specific_date == day]
    exceptions = [rule for rule in of_day if rule.rule_type is RuleType.EXCEPTION]
    blocked = [rule for rule in of_day if rule.rule_type is RuleType.BLOCKED]
    opened = _times(exceptions, available=True)
    hours = DayHours(opened) if opened else usual
    taken = _times(exceptions, available=False) + _times(blocked, available=True) + _times(blocked, available=False)
    return DayHours(hours.opened, hours.taken + taken)


def _times(rules: Sequence[Rule], *, available: bool) -> tuple[Times, ...]:
    return tuple(
        (rule.start_time or "00:00", rule.end_time or "24:00") for rule in rules if rule.is_available is available
    )


def working_bits(rules: Sequence[Rule], zone: ZoneInfo, window: range) -> int:
    """Return the quarters of the window in which the rules have the staff member at work."""
    if not window:
        return 0
    plan = plan_hours(rules)
    first = instant_of(window.start).astimezone(zone).toordinal()
    last = instant_of(window.stop - 1).astimezone(zone).toordinal()
    bits = 0
    for day in map(date.fromordinal, range(first, last + 1)):
        hours = plan.special.get(day, plan.weekly[day.weekday()])
        if hours.opened:
            start, working = _day_bits(day, hours, zone)
            shift = start - window.start
            bits |= working << shift if shift >= 0 else working >> -shift
    return bits & mask(window, window)


@lru_cache(maxsize=16384)
def _day_bits(day: date, hours: DayHours, zone: ZoneInfo) -> tuple[int, int]:
    """Return the first quarter of the opening hours of one local date, and its working bits from there on."""
    opened = _united([_instants(day, times, zone) for times in hours.opened])
    spans = [range(-((EPOCH - start) // QUARTER), (end - EPOCH) // QUARTER) for start, end in opened]
    window = range(spans[0].start, max(spans[0].start, spans[-1].stop))
    working = 0
    for span in spans:
        working |= mask(window, span)
    for start, end in (_instants(day, times, zone) for times in hours.taken):
        working &= ~mask(window, range((start - EPOCH) // QUARTER, -((EPOCH - end) // QUARTER)))
    return window.start, working


def _instants(day: date, times: Times, zone: ZoneInfo) -> tuple[datetime, datetime]:
    return first_instant(day, times[0], zone, closing=False), first_instant(day, times[1], zone, closing=True)


def _united(spans: Sequence[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Join spans that overlap or touch."""
    united: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(united[-1][1], end))
        else:
            united.append((start, end))
    return united
