"""What must hold in the tables at every moment, checked over all rows by `holdfast doctor --integrity`."""

from datetime import timedelta
from typing import LiteralString

from core.container import Scope
from core.module import Check

MOST = 100
"""Violations told per check."""
TOLERANCE = timedelta(seconds=1)
"""A hold about to expire may be taken over between the look at the clock and the look at the tables."""

OVERLAPS: LiteralString = """
SELECT id, taken_until FROM (
    SELECT id, start_at, max(claimed_until) OVER (
        PARTITION BY staff_id ORDER BY start_at, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken_until
    FROM booking
    WHERE deleted_at IS NULL AND (status = 'confirmed' OR status = 'held' AND hold_expires_at > %(at)s)
) live WHERE start_at < taken_until ORDER BY id LIMIT %(most)s"""

INCOMPLETE: LiteralString = """
SELECT booking.id, coalesce(owned, 0)
FROM booking LEFT JOIN (
    SELECT booking_id, count(*) AS owned, min(q) AS first, max(q) AS last,
        min(resource_id) AS resource_id, max(resource_id) AS other
    FROM slot_claim GROUP BY booking_id
) claims ON booking_id = booking.id
WHERE deleted_at IS NULL AND (status = 'confirmed' OR status = 'held' AND hold_expires_at > %(at)s)
    AND (owned, first, last, resource_id, other) IS DISTINCT FROM (
        (extract(epoch FROM claimed_until - start_at) / 900)::bigint,
        (extract(epoch FROM start_at) / 900)::integer,
        (extract(epoch FROM claimed_until) / 900)::integer - 1,
        staff_id, staff_id)
ORDER BY booking.id LIMIT %(most)s"""

STRAY: LiteralString = """
SELECT claim.booking_id, count(*)
FROM slot_claim claim LEFT JOIN booking ON booking.id = claim.booking_id AND deleted_at IS NULL
    AND (status = 'confirmed' OR status = 'held' AND hold_expires_at > %(at)s)
WHERE booking.id IS NULL AND (claim.expires_at IS NULL OR claim.expires_at > %(at)s)
GROUP BY claim.booking_id ORDER BY claim.booking_id LIMIT %(most)s"""

UNEQUAL: LiteralString = """
SELECT booking.id, count(*)
FROM booking JOIN slot_claim claim ON claim.booking_id = booking.id
WHERE deleted_at IS NULL AND (status = 'confirmed' OR status = 'held' AND hold_expires_at > %(at)s)
    AND claim.expires_at IS DISTINCT FROM booking.hold_expires_at
GROUP BY booking.id ORDER BY booking.id LIMIT %(most)s"""


def _check(query: LiteralString, sentence: str) -> Check:
    async def check(scope: Scope) -> list[str]:
        rows = await scope.session.sql(query, {"at": scope.clock.now() + TOLERANCE, "most": MOST})
        return [sentence.format(id, detail) for id, detail in rows]

    return check


CHECKS: dict[str, Check] = {
    "no two live bookings overlap": _check(OVERLAPS, "booking {} starts before {}, when another one ends"),
    "every live booking owns exactly its claims": _check(
        INCOMPLETE, "booking {} is live and owns {} claims, not its own"
    ),
    "every unexpired claim belongs to a live booking": _check(STRAY, "booking {} is not live and owns {} claims"),
    "claims expire with their hold": _check(UNEQUAL, "booking {} has {} claims that expire at another time"),
}
