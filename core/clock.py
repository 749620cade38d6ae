"""The one clock: PostgreSQL's time, kept as an offset from this machine's."""

import sys
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import available_timezones

STANDS_STILL = timedelta(seconds=1)
"""By how much less `now()` never goes back: a beat measures the offset anew, and a little differently each time."""


class Clock:
    """Tells PostgreSQL's time without asking it each time.

    The offset is measured when the application opens and at every heartbeat; it contains the row of `clock_offset`,
    through which tests move the clock of all processes at once. In between, time passes as it does for the machine,
    whatever somebody does to the machine's own clock.
    """

    def __init__(self) -> None:
        self._latest = datetime.min.replace(tzinfo=UTC)
        self.set_offset(timedelta())
        self.is_set = False
        """Whether the offset has been measured; until then it is this machine's clock."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        now = self._zero + timedelta(0, _steady())
        if now < self._latest < now + STANDS_STILL:
            return self._latest
        self._latest = now
        return now

    def set_offset(self, offset: timedelta) -> None:
        """Make `now()` differ by `offset` from this machine's clock as that is at this moment."""
        self._zero = datetime.now(UTC) + offset - timedelta(seconds=_steady())
        self.is_set = True


def _steady() -> float:
    """Return seconds on a clock that nobody sets; on Linux it goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


@cache
def zone_names() -> frozenset[str]:
    """Return the names of the IANA time zones that this machine knows."""
    # Systems have more files than zones: `localtime`, `posixrules`, `right/...`, which counts leap seconds.
    return frozenset(available_timezones() - {"localtime", "Factory"})
