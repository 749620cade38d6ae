"""What must hold in the tables at every moment, checked over all rows by `holdfast doctor --integrity`."""

from datetime import timedelta
from typing import LiteralString

from core.container import Scope
from core.module import Check

MOST = 100
"""Violations told per check."""
TOLERANCE = timedelta(seconds=1)
"""A hold about to expire may be taken over between the look at the clock and the look at the tables."""

# Whole tables are read, which takes longer than anything else may; materialized, since a LIMIT over an ordered index
# makes the planner hope for an early end, and there is none where all is well.
UNHURRIED: LiteralString = """
SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN ('statement_timeout', 'transaction_timeout')
UNION ALL SELECT set_config('work_mem', '64MB', true)"""

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


def _check(query: LiteralString, sentence: str) -> Check:
    async def check(scope: Scope) -> list[str]:
        async with scope.transaction() as transaction:
            await transaction.sql(UNHURRIED)
            rows = await transaction.sql(query, {"at": scope.clock.now() + TOLERANCE, "most": MOST})
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
