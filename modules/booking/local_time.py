"""From wall clocks to instants, across the days on which clocks change."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from core.errors import InvalidData

from .errors import AmbiguousLocalTime, NonexistentLocalTime

MINUTES_PER_DAY = 1440
_TIME_OF_DAY = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")


def parse_time_of_day(text: str, *, field: str = "") -> int:
    """Return the minutes since midnight of `HH:MM`; `24:00` is 1440. Anything else raises `InvalidData`."""
    if not _TIME_OF_DAY.fullmatch(text):
        raise InvalidData(f"{text!r} is not a time of day: write HH:MM", field=field)
    return int(text[:2]) * 60 + int(text[3:])


def local_to_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the one UTC instant at which clocks in `zone` show the naive `wall`.

    Raises `NonexistentLocalTime` or `AmbiguousLocalTime` where there is none or there are two.
    """
    try:
        earlier, later = _readings(wall, zone)
    except OverflowError:
        raise InvalidData(f"{wall.isoformat()} is out of range") from None
    if earlier < later:
        raise AmbiguousLocalTime(f"{wall.isoformat()} happens twice in {zone.key}; send it with an offset")
    if earlier > later:
        raise NonexistentLocalTime(f"clocks in {zone.key} skip {wall.isoformat()}")
    return earlier


@lru_cache(maxsize=65536)
def first_instant(day: date, time_of_day: str, zone: ZoneInfo, *, closing: bool) -> datetime:
    """Return the UTC instant at which an opening or closing time of a local date falls.

    A time that the clocks skip moves to the first instant after the gap. Of a time that happens twice an opening
    takes the earlier instant, a closing the later. `24:00` is the end of the date: the first instant of the next,
    also where that date begins twice or has no midnight.
    """
    minutes = parse_time_of_day(time_of_day)
    if minutes == MINUTES_PER_DAY:
        day, minutes, closing = day + timedelta(days=1), 0, False
    wall = datetime(day.year, day.month, day.day, minutes // 60, minutes % 60, tzinfo=zone)
    earlier, later = _readings(wall, zone)
    if earlier > later:
        return _end_of_gap(later, earlier, zone)
    return later if closing else earlier


def _readings(wall: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Read a wall time with the offset before and after a change; in a gap the first is later than the second."""
    before = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    after = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return before, after


def _end_of_gap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Find the change of offset in the hours around a skipped time; changes happen on whole minutes."""
    offset = before.astimezone(zone).utcoffset()
    low, high = 0, int((after - before).total_seconds()) // 60
    while high - low > 1:
        middle = (low + high) // 2
        if (before + timedelta(minutes=middle)).astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return before + timedelta(minutes=high)
