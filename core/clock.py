"""The one clock: PostgreSQL's time, kept as an offset from this machine's."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import available_timezones


class Clock:
    """Tells PostgreSQL's time without asking it each time.

    The offset is measured when the application opens and at every heartbeat; it contains the row of `clock_offset`,
    through which tests move the clock of all processes at once.
    """

    def __init__(self) -> None:
        self._offset = timedelta()
        self.is_set = False
        """Whether the offset has been measured; until then it is this machine's clock."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC) + self._offset

    def set_offset(self, offset: timedelta) -> None:
        """Make `now()` differ from this machine's clock by `offset`."""
        self._offset = offset
        self.is_set = True


@cache
def zone_names() -> frozenset[str]:
    """Return the names of the IANA time zones that this machine knows."""
    # Systems have more files than zones: `localtime`, `posixrules`, `right/...`, which counts leap seconds.
    return frozenset(available_timezones() - {"localtime", "Factory"})
