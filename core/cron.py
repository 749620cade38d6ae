"""When a cron expression ticks in a time zone, whatever its clocks do."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from .clock import zone_names
from .errors import ConfigurationError

SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)
FIRST_LOOK = timedelta(minutes=1)
FARTHEST_LOOK = timedelta(days=365 * 50)
"""Beyond which nothing ticks: no combination of days takes longer to come round."""


class Schedule:
    """Five fields (`minute hour day month weekday`), or six with seconds first, read as local times of `timezone`.

    As in Debian's cron: a time of day that a change of the clock leaves out ticks right after the change, one that
    comes twice ticks at its first; with `*` as minute or hour real time counts. Raises `ConfigurationError`.
    """

    def __init__(self, cron: str, timezone: str) -> None:
        if timezone not in zone_names():
            raise ConfigurationError(f"there is no time zone {timezone!r}")
        self._cron = cron
        self._zone = ZoneInfo(timezone)
        check_cron(cron)

    def latest(self, now: datetime) -> datetime | None:
        """Return the last tick up to `now`, in UTC; None if there has never been one."""
        span = FIRST_LOOK
        while span <= FARTHEST_LOOK:
            found = None
            for tick in self._ticks(now - span):
                if tick > now:
                    break
                found = tick
            if found is not None:
                return found
            span *= 2
        return None

    def following(self, now: datetime) -> datetime | None:
        """Return the first tick after `now`, in UTC; None if there will never be one."""
        # In an hour that comes twice the first ticks may lie behind.
        return next((tick for tick in self._ticks(now) if tick > now), None)

    def _ticks(self, since: datetime) -> Iterator[datetime]:
        for tick in CronSim(self._cron, since.astimezone(self._zone)):
            yield tick.astimezone(UTC)


def check_cron(cron: str) -> None:
    """Raise `ConfigurationError` for an expression that cannot be read, or that never ticks."""
    try:
        next(CronSim(cron, SOME_DAY))
    except (CronSimError, ValueError, AssertionError) as error:
        raise ConfigurationError(f"{cron!r} is no cron expression: {error}") from error
    except StopIteration as error:
        raise ConfigurationError(f"the cron expression {cron!r} never ticks") from error
