"""Instants as requests bring them: ISO 8601 with an offset, or wall time in the body's time zone."""

import re
from datetime import UTC, datetime

from modules.booking import InPast, TooFarAhead, local_to_instant, zone_of

from .errors import InvalidRequest, TimezoneRequired

# Digits beyond the microsecond must be zero, so that none is lost.
_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2})(?:(:\d{2})(?:\.(\d{1,6})0*)?)?([Zz]|[+-]\d{2}:\d{2})?", re.ASCII
)

_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_YEAR_DAY = "(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31"
_DAY = f"(?:(?!0000)(?:[0-9]{{4}}-(?:{_YEAR_DAY})|{_LEAP_YEAR}-02-29))"
_CLOCK = r"[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6}0*)?)?"
_OFFSET = "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
WITH_OFFSET = f"^{_DAY}{_CLOCK}{_OFFSET}$"
"""Exactly what can be read without a time zone, as a JSON Schema has to say it."""
READABLE = f"^{_DAY}{_CLOCK}{_OFFSET}?$"
"""Exactly what can be read."""


def instant(text: str, timezone: str | None, *, field: str) -> datetime:
    """Return the UTC instant that `text` names; `timezone` (IANA) is needed where it has no offset.

    Raises `InvalidRequest` for what is no time, `TimezoneRequired`, `InvalidData` for an unknown zone,
    `NonexistentLocalTime` and `AmbiguousLocalTime`.
    """
    zone = None if timezone is None else zone_of(timezone)
    at = _parse(text, field)
    if at.tzinfo is not None:
        return _in_utc(at)
    if zone is None:
        raise TimezoneRequired(f"{text!r:.80} has no offset: send `timezone` too", field="timezone")
    return local_to_instant(at, zone)


def _parse(text: str, field: str) -> datetime:
    found = _ISO.fullmatch(text)
    if found is None:
        raise InvalidRequest("write an ISO 8601 date and time, such as 2030-01-31T10:00:00+01:00", field=field)
    day, minutes, seconds, fraction, offset = found.groups("")
    try:
        # Python 3.11 reads a fraction of three or six digits only.
        return datetime.fromisoformat(f"{day}T{minutes}{seconds or ':00'}.{fraction:0<6}{offset.upper()}")
    except ValueError:
        raise InvalidRequest(f"{text!r:.80} is no date and time", field=field) from None


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise (InPast if at.year == 1 else TooFarAhead)(f"{at.isoformat()} is out of range") from None
