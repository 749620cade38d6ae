"""The one clock: PostgreSQL's time, kept as an offset from this machine's."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Tells PostgreSQL's time without asking it each time.

    The offset is measured when the application opens and at every heartbeat; it contains the row of `clock_offset`,
    through which tests move the clock of all processes at once.
    """

    def __init__(self) -> None:
        self._offset = timedelta()

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC) + self._offset

    def set_offset(self, offset: timedelta) -> None:
        """Make `now()` differ from this machine's clock by `offset`."""
        self._offset = offset
