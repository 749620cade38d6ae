"""When clocks change next, from `zoneinfo` alone."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

QUARTER = timedelta(minutes=15)


def next_change(zone: ZoneInfo, after: datetime, *, forward: bool) -> datetime:
    """Return the next instant, some days after `after`, at which clocks are put forward or back."""
    day = datetime.combine(after.date() + timedelta(days=3), time(), UTC)
    while _step(zone, day, timedelta(days=1), forward) is None:
        day += timedelta(days=1)
    while _step(zone, day, QUARTER, forward) is None:
        day += QUARTER
    return day + QUARTER


def _step(zone: ZoneInfo, at: datetime, length: timedelta, forward: bool) -> datetime | None:
    """Return `at` if clocks change in the time after it."""
    before, after = at.astimezone(zone).utcoffset(), (at + length).astimezone(zone).utcoffset()
    if before is None or after is None or before == after:
        return None
    return at if (after > before) is forward else None


def local_day(at: datetime, zone: ZoneInfo) -> date:
    """Return the date that an instant has in a zone."""
    return at.astimezone(zone).date()


def at_local(day: date, hour: int, zone: ZoneInfo) -> datetime:
    """Return the instant of an hour that is on the clocks once that day."""
    return datetime.combine(day, time(hour), zone).astimezone(UTC)


def quarters_of(day: date, zone: ZoneInfo) -> list[datetime]:
    """Return the quarter hours that have a date in a zone."""
    first = datetime.combine(day, time(), UTC) - timedelta(days=1)
    return [at for n in range(4 * 72) if local_day(at := first + n * QUARTER, zone) == day]
