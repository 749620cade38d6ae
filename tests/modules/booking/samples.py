"""Short ways to write rules, calendars and requests in tests."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from modules.booking.availability import StaffCalendar
from modules.booking.grid import claim_length, quarter_of
from modules.booking.slot_request import SlotRequest
from modules.booking.types import CreateAvailabilityRule, RuleType, Slot

EVERY_DAY = range(7)


def weekly(
    start: str, end: str, weekdays: Iterable[int] = EVERY_DAY, *, is_available: bool = True
) -> list[CreateAvailabilityRule]:
    """Recurring hours on some weekdays, or a break in them."""
    return [
        CreateAvailabilityRule(
            staff_id="bkstf_1", day_of_week=weekday, start_time=start, end_time=end, is_available=is_available
        )
        for weekday in weekdays
    ]


def exception(
    day: date, start: str | None, end: str | None, *, is_available: bool = True
) -> list[CreateAvailabilityRule]:
    """Hours of one date, or hours taken away from it."""
    return [
        CreateAvailabilityRule(
            staff_id="bkstf_1",
            rule_type=RuleType.EXCEPTION,
            specific_date=day,
            start_time=start,
            end_time=end,
            is_available=is_available,
        )
    ]


def blocked(day: date, start: str | None = None, end: str | None = None) -> list[CreateAvailabilityRule]:
    """Time off on one date."""
    return [
        CreateAvailabilityRule(
            staff_id="bkstf_1", rule_type=RuleType.BLOCKED, specific_date=day, start_time=start, end_time=end
        )
    ]


def claims(start_at: str, until: str) -> range:
    """The quarters between two instants written as ISO 8601."""
    return range(quarter_of(datetime.fromisoformat(start_at)), quarter_of(datetime.fromisoformat(until)))


def calendar(
    rules: list[CreateAvailabilityRule],
    *busy: range,
    zone: str = "UTC",
    staff_id: str = "bkstf_1",
) -> StaffCalendar:
    """One staff member's calendar."""
    quarters = [quarter for part in busy for quarter in part]
    return StaffCalendar(staff_id=staff_id, zone=ZoneInfo(zone), rules=rules, busy=quarters)


def request(
    duration: int = 30,
    buffer: int = 0,
    *,
    now: datetime = datetime(2026, 12, 1, tzinfo=UTC),
    notice: int = 0,
    max_days: int = 365,
) -> SlotRequest:
    """A new booking of some length."""
    return SlotRequest(
        duration_minutes=duration,
        claimed_quarters=claim_length(duration, buffer),
        min_notice_minutes=notice,
        max_days_ahead=max_days,
        now=now,
    )


def starts(slots: list[Slot], *, available: bool | None = None) -> list[str]:
    """The local starts of slots as `HH:MM`, all or only the free or the taken ones."""
    return [f"{slot.start_local:%H:%M}" for slot in slots if available in (None, slot.available)]
