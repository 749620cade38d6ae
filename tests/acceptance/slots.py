"""Short ways to write hours and to read slots."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from modules.booking import CreateAvailabilityRule, RuleType

Document = dict[str, Any]


def starts(slots: Sequence[Document]) -> list[datetime]:
    """Return when slots start, as instants in UTC."""
    return [datetime.fromisoformat(slot["start_at"]) for slot in slots]


def local_starts(slots: Sequence[Document]) -> list[str]:
    """Return when slots start, as `HH:MM+hh:mm` in their own zone."""
    return [datetime.fromisoformat(slot["start_local"]).isoformat("T", "minutes")[11:] for slot in slots]


def weekly(start: str, end: str, weekdays: Sequence[int] = range(7)) -> list[CreateAvailabilityRule]:
    """Return hours on some weekdays; Monday is 0."""
    return [
        CreateAvailabilityRule(staff_id="", day_of_week=weekday, start_time=start, end_time=end) for weekday in weekdays
    ]


def on(day: date, start: str, end: str) -> CreateAvailabilityRule:
    """Return the hours of one date."""
    return CreateAvailabilityRule(
        staff_id="", rule_type=RuleType.EXCEPTION, specific_date=day, start_time=start, end_time=end
    )


def off(day: date) -> CreateAvailabilityRule:
    """Return a whole date off."""
    return CreateAvailabilityRule(staff_id="", rule_type=RuleType.BLOCKED, specific_date=day)
