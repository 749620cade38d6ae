"""Which starts are offered: the one calculation behind the list of slots, the hold and the move.

A start is *listed* when the whole service lies in a staff member's working time, and *free* when moreover no claim
stands on any quarter of service and buffer. The buffer may run past closing, into time off or over midnight.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct

from .grid import EPOCH, QUARTER, QuarterSet, bits_of, instant_of, mask, members_of, quarter_of, quarters, runs
from .local_time import first_instant
from .slot_request import SlotRequest
from .types import Slot
from .working_time import Rule, working_bits


class StaffCalendar(Struct, frozen=True, kw_only=True):
    """One staff member's rules and the quarters that live claims occupy."""

    staff_id: str
    zone: ZoneInfo
    rules: Sequence[Rule]
    busy: Collection[int] | QuarterSet = ()


class StaffAtStart(Struct, frozen=True, kw_only=True):
    """Staff ids in ascending order: whose rules allow a start, and who of them is free."""

    listed: list[str]
    free: list[str]


class _Starts(NamedTuple):
    listed: int
    free: int


def starts_on(day: date, days: int, zone: ZoneInfo, request: SlotRequest) -> range:
    """Return the quarters of some local dates at which the request may start at all."""
    earliest, latest = -((EPOCH - request.earliest) // QUARTER), quarter_of(request.latest)
    # Dates far outside are cut off first: the calendar ends in the year 9999, and midnights there cannot be converted.
    first = max(day.toordinal(), instant_of(earliest).toordinal() - 2)
    end = min(day.toordinal() + days, instant_of(latest).toordinal() + 3)
    if first >= end:
        return range(0)
    start, stop = _midnight(first, zone), _midnight(end, zone)
    return range(max(start, earliest), max(start, earliest, min(stop, latest + 1)))


def claim_window(starts: Iterable[range], request: SlotRequest) -> range:
    """Return the quarters whose claims decide about these starts."""
    wanted = [part for part in starts if part]
    if not wanted:
        return range(0)
    return range(min(part.start for part in wanted), max(part.stop for part in wanted) + request.reach - 1)


def offered_slots(
    calendars: Sequence[StaffCalendar], request: SlotRequest, day: date, days: int, zone: ZoneInfo | None = None
) -> list[Slot]:
    """Return the slots of `days` dates from `day` on, sorted by instant.

    With `zone` they are dates there and slots are shown in it. Without, they are each staff member's own dates, and
    a slot is shown in the zone of its first free staff member, or else of the first one listed.
    """
    ordered = sorted(calendars, key=_by_id)
    starts = {each.zone: starts_on(day, days, zone or each.zone, request) for each in ordered}
    window = claim_window(starts.values(), request)
    listed = free = 0
    shown: dict[int, ZoneInfo] = {}
    staff_ids: list[list[str]] = [[] for _ in window]
    for calendar in ordered:
        bits = _start_bits(calendar, request, window, starts[calendar.zone])
        for ids in members_of(bits.free, staff_ids):
            ids.append(calendar.staff_id)
        shown |= dict.fromkeys(members_of(bits.listed & ~listed, window), zone or calendar.zone)
        shown |= dict.fromkeys(members_of(bits.free & ~free, window), zone or calendar.zone)
        listed, free = listed | bits.listed, free | bits.free
    length = timedelta(minutes=request.duration_minutes)
    return [_slot(quarter, length, shown[quarter], staff_ids[quarter - window.start]) for quarter in sorted(shown)]


def staff_at(start_at: datetime, calendars: Sequence[StaffCalendar], request: SlotRequest) -> StaffAtStart:
    """Return who may and who can take a start that passed `check_start`."""
    starts = range(quarter_of(start_at), quarter_of(start_at) + 1)
    window = claim_window([starts], request)
    bits = {each.staff_id: _start_bits(each, request, window, starts) for each in sorted(calendars, key=_by_id)}
    return StaffAtStart(
        listed=[staff_id for staff_id, found in bits.items() if found.listed],
        free=[staff_id for staff_id, found in bits.items() if found.free],
    )


def _start_bits(calendar: StaffCalendar, request: SlotRequest, window: range, starts: range) -> _Starts:
    working = working_bits(calendar.rules, calendar.zone, window)
    idle = mask(window, window) & ~bits_of(calendar.busy, window)
    listed = runs(working, quarters(request.duration_minutes)) & mask(window, starts)
    return _Starts(listed, listed & runs(idle, request.claimed_quarters))


def _slot(quarter: int, length: timedelta, zone: ZoneInfo, staff_ids: list[str]) -> Slot:
    start_at = instant_of(quarter)
    # A fixed offset survives encoding and compares by instant also in the hour that happens twice.
    offset = start_at.astimezone(zone).utcoffset() or timedelta()
    return Slot(
        start_at=start_at,
        end_at=start_at + length,
        start_local=start_at.astimezone(timezone(offset)),
        timezone=zone.key,
        available=bool(staff_ids),
        staff_ids=staff_ids,
    )


def _by_id(calendar: StaffCalendar) -> str:
    return calendar.staff_id


def _midnight(ordinal: int, zone: ZoneInfo) -> int:
    return quarter_of(first_instant(date.fromordinal(ordinal), "00:00", zone, closing=False))
