"""What must hold in the tables at every moment, checked over all rows by `holdfast doctor --integrity`."""

from typing import LiteralString

from core.integrity import query_check
from core.module import Check

# Materialized, since a LIMIT over an ordered index makes the planner hope for an early end, and there is none where
# all is well.
OVERLAPS: LiteralString = """
WITH live AS MATERIALIZED (
    SELECT id, start_at, max(claimed_until) OVER (
        PARTITION BY staff_id ORDER BY start_at, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken_until
    FROM booking
    WHERE deleted_at IS NULL AND (status = 'confirmed' OR status = 'held' AND hold_expires_at > %(at)s)
)
SELECT id, taken_until FROM live WHERE start_at < taken_until ORDER BY id LIMIT %(most)s"""

INCOMPLETE: LiteralString = """
WITH found AS MATERIALIZED (
    SELECT booking.id, count(claim.q) AS owned
    FROM booking LEFT JOIN slot_claim claim ON claim.booking_id = booking.id
    WHERE deleted_at IS NULL AND (status = 'confirmed' OR status = 'held' AND hold_expires_at > %(at)s)
    GROUP BY booking.id
    HAVING count(claim.q) <> extract(epoch FROM claimed_until - start_at) / 900
        OR count(claim.q) <> count(*) FILTER (WHERE claim.resource_id = staff_id
            AND claim.q >= extract(epoch FROM start_at) / 900 AND claim.q < extract(epoch FROM claimed_until) / 900)
)
SELECT id, owned FROM found ORDER BY id LIMIT %(most)s"""

STRAY: LiteralString = """
WITH found AS MATERIALIZED (
    SELECT claim.booking_id, count(*) AS owned
    FROM slot_claim claim LEFT JOIN booking ON booking.id = claim.booking_id AND deleted_at IS NULL
        AND (status = 'confirmed' OR status = 'held' AND hold_expires_at > %(at)s)
    WHERE booking.id IS NULL AND (claim.expires_at IS NULL OR claim.expires_at > %(at)s)
    GROUP BY claim.booking_id
)
SELECT booking_id, owned FROM found ORDER BY booking_id LIMIT %(most)s"""

UNEQUAL: LiteralString = """
WITH found AS MATERIALIZED (
    SELECT booking.id, count(*) AS unequal
    FROM booking JOIN slot_claim claim ON claim.booking_id = booking.id
    WHERE deleted_at IS NULL AND (status = 'confirmed' OR status = 'held' AND hold_expires_at > %(at)s)
        AND claim.expires_at IS DISTINCT FROM booking.hold_expires_at
    GROUP BY booking.id
)
SELECT id, unequal FROM found ORDER BY id LIMIT %(most)s"""


CHECKS: dict[str, Check] = {
    "no two live bookings overlap": query_check(OVERLAPS, "booking {} starts before {}, when another one ends"),
    "every live booking owns exactly its claims": query_check(
        INCOMPLETE, "booking {} is live and owns {} claims, not its own"
    ),
    "every unexpired claim belongs to a live booking": query_check(STRAY, "booking {} is not live and owns {} claims"),
    "claims expire with their hold": query_check(UNEQUAL, "booking {} has {} claims that expire at another time"),
}
