"""One statement reads what the offer depends on: who offers a service, their rules, and the live claims on them."""

from datetime import date, datetime
from typing import LiteralString
from zoneinfo import ZoneInfo

import msgspec

from core.db import Session

from .availability import StaffCalendar
from .grid import EPOCH, QUARTERS_PER_DAY, QuarterSet, instant_of
from .types import CreateAvailabilityRule

WORD = 60
"""Quarters per word: the claims of a month travel as some 50 numbers per staff member, not as thousands."""

CALENDARS: LiteralString = """
SELECT staff.id, staff.timezone,
    (SELECT json_agg(rule)::text FROM (
        SELECT staff_id, rule_type, day_of_week, specific_date, start_time, end_time, is_available
        FROM booking_availability_rule
        WHERE staff_id = staff.id AND deleted_at IS NULL AND rule_type = 'recurring'
        UNION ALL
        SELECT staff_id, rule_type, day_of_week, specific_date, start_time, end_time, is_available
        FROM booking_availability_rule
        WHERE staff_id = staff.id AND deleted_at IS NULL AND specific_date BETWEEN %(first_day)s AND %(last_day)s
    ) rule),
    claims.places, claims.words
FROM booking_staff staff, LATERAL (
    SELECT array_agg(place) AS places, array_agg(word) AS words FROM (
        SELECT (q - %(first)s) / 60 AS place, bit_or(1::bigint << (q - %(first)s) %% 60) AS word
        FROM slot_claim
        WHERE resource_id = staff.id AND q >= %(first)s AND q < %(stop)s AND booking_id <> %(own)s
            AND (expires_at IS NULL OR expires_at > %(now)s)
        GROUP BY 1
    ) words
) claims
WHERE staff.deleted_at IS NULL AND staff.is_active
    AND (%(staff_id)s::text IS NULL OR staff.id = %(staff_id)s)
    AND (NOT EXISTS (SELECT FROM booking_service_staff WHERE service_id = %(service_id)s)
        OR EXISTS (SELECT FROM booking_service_staff WHERE service_id = %(service_id)s AND staff_id = staff.id))
ORDER BY staff.id COLLATE "C" """

_rules = msgspec.json.Decoder(list[CreateAvailabilityRule])


class CalendarQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Whose calendars, and over which quarters; the claims of `booking_id` count as free."""

    service_id: str
    window: range
    now: datetime
    staff_id: str | None = None
    booking_id: str | None = None


async def read_calendars(session: Session, query: CalendarQuery) -> list[StaffCalendar]:
    """Return the calendars of the active staff who offer the service, by id."""
    window = query.window or range(1)
    values = {
        "service_id": query.service_id,
        "staff_id": query.staff_id,
        "own": query.booking_id or "",
        "now": query.now,
        "first": query.window.start,
        "stop": query.window.stop,
        # A local date may be one off from the date in UTC.
        "first_day": date.fromordinal(instant_of(window.start).toordinal() - 1),
        "last_day": date.fromordinal(instant_of(window.stop).toordinal() + 1),
    }
    return [
        StaffCalendar(
            staff_id=staff_id,
            zone=ZoneInfo(timezone),
            rules=_rules.decode(rules) if rules else [],
            busy=QuarterSet(
                query.window.start,
                sum(word << place * WORD for place, word in zip(places or (), words or (), strict=True)),
            ),
        )
        for staff_id, timezone, rules, places, words in await session.sql(CALENDARS, values)
    ]


def window_of(day: date, days: int) -> range:
    """Return the quarters that some local dates can touch, whatever the time zone."""
    first = (day.toordinal() - EPOCH.toordinal()) * QUARTERS_PER_DAY
    return range(first - QUARTERS_PER_DAY, first + (days + 1) * QUARTERS_PER_DAY)
