"""The hot statements: how bookings get, keep, move and lose the quarter hours that they claim.

One lock order everywhere: first the booking's own row, then every claim that will be touched, in one statement
sorted by `(resource_id, q)`. Row counts decide who won, and `now` always is the application's clock.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString

from core.db import Transaction

from .grid import quarter_of
from .state import VIEW
from .types import Booking

# Below the session's own limit: a customer is waiting, and everybody who waits keeps a connection from others.
SHORT_WAIT: LiteralString = "lock_timeout = '2s'"

# Offer and claims come before the row: no row comes out unless the claims are complete. The key-share lock makes
# the deletion of staff or service wait for this transaction, and this one see a deletion that came first.
# Claims go in sorted: of two holds that overlap one then waits for the other, and never both. Whether a claim has
# expired is judged once its row is locked, so one that was made permanent meanwhile is left alone.
HOLD: LiteralString = f"""
WITH offer AS MATERIALIZED (
    SELECT staff.id FROM booking_staff staff, booking_service service
    WHERE staff.id = %(staff_id)s AND service.id = %(service_id)s
        AND staff.deleted_at IS NULL AND service.deleted_at IS NULL
    FOR KEY SHARE
), claimed AS (
    INSERT INTO slot_claim (resource_id, q, booking_id, expires_at)
    SELECT %(staff_id)s, q, %(id)s, %(hold_expires_at)s
    FROM generate_series(%(first)s::integer, %(stop)s::integer - 1) q ORDER BY q
    ON CONFLICT (resource_id, q)
        DO UPDATE SET booking_id = excluded.booking_id, expires_at = excluded.expires_at
        WHERE slot_claim.expires_at <= %(now)s
    RETURNING q
)
INSERT INTO booking (
    id, staff_id, service_id, customer_id, start_at, end_at, claimed_until, first_start_at, status, hold_expires_at,
    service_name, price_amount, currency_code, deposit_amount, customer_email, customer_phone, customer_name,
    customer_timezone, notes, metadata, created_at, updated_at)
SELECT
    %(id)s, %(staff_id)s, %(service_id)s, %(customer_id)s, %(start_at)s, %(end_at)s, %(claimed_until)s, %(start_at)s,
    'held', %(hold_expires_at)s, %(service_name)s, %(price_amount)s, %(currency_code)s, %(deposit_amount)s,
    %(customer_email)s, %(customer_phone)s, %(customer_name)s, %(customer_timezone)s, %(notes)s, %(metadata)s,
    %(now)s, %(now)s
FROM offer WHERE (SELECT count(*) FROM claimed) = %(stop)s - %(first)s
RETURNING {VIEW}"""  # noqa: S608 (VIEW is a literal)

FIND: LiteralString = f"SELECT {VIEW} FROM booking WHERE id = %(id)s AND (deleted_at IS NULL OR status = 'expired')"  # noqa: S608 (VIEW is a literal)
LOCK: LiteralString = f"{FIND} FOR UPDATE"

# Locked by a sorted read first: an UPDATE or DELETE takes its rows in whatever order the plan finds them. The owner is
# asked for again because a claim may have been taken over while its lock was waited for.
KEEP: LiteralString = """
WITH mine AS MATERIALIZED (
    SELECT resource_id, q FROM slot_claim WHERE booking_id = %(id)s ORDER BY resource_id, q FOR UPDATE
), kept AS (
    UPDATE slot_claim claim SET expires_at = %(expires_at)s FROM mine
    WHERE claim.resource_id = mine.resource_id AND claim.q = mine.q AND claim.booking_id = %(id)s RETURNING 1
)
SELECT count(*) FROM kept"""

# The old claims are written again, which locks them in the same pass as the new ones. As in a hold, the key-share lock
# makes the deletion of the staff member wait, and this transaction see a deletion that came first.
MOVE: LiteralString = """
WITH target AS MATERIALIZED (
    SELECT id FROM booking_staff WHERE id = %(staff_id)s AND deleted_at IS NULL FOR KEY SHARE
), claimed AS (
    INSERT INTO slot_claim (resource_id, q, booking_id)
    SELECT resource_id, q, %(id)s FROM (
        SELECT resource_id, q FROM slot_claim WHERE booking_id = %(id)s
        UNION SELECT %(staff_id)s, generate_series(%(first)s::integer, %(stop)s::integer - 1)
    ) wanted ORDER BY resource_id, q
    ON CONFLICT (resource_id, q)
        DO UPDATE SET booking_id = excluded.booking_id, expires_at = NULL
        WHERE slot_claim.booking_id = excluded.booking_id OR slot_claim.expires_at <= %(now)s
    RETURNING resource_id, q
)
SELECT count(*) FROM claimed, target WHERE resource_id = target.id AND q >= %(first)s AND q < %(stop)s"""

# Waits for nobody: MOVE has locked what this deletes.
LEAVE: LiteralString = """
DELETE FROM slot_claim
WHERE booking_id = %(id)s AND NOT (resource_id = %(staff_id)s AND q >= %(first)s AND q < %(stop)s)"""

# Sorted for the same reason as KEEP.
RELEASE: LiteralString = """
WITH mine AS MATERIALIZED (
    SELECT resource_id, q FROM slot_claim WHERE booking_id = ANY(%(ids)s) ORDER BY resource_id, q FOR UPDATE
)
DELETE FROM slot_claim claim USING mine
WHERE claim.resource_id = mine.resource_id AND claim.q = mine.q AND claim.booking_id = ANY(%(ids)s)"""

# Whoever has the row locked is deciding its fate: the sweep neither waits for them nor keeps them waiting long.
EXPIRE: LiteralString = """
WITH due AS MATERIALIZED (
    SELECT id FROM booking WHERE status = 'held' AND deleted_at IS NULL AND hold_expires_at <= %(now)s
    ORDER BY hold_expires_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE booking SET status = 'expired', deleted_at = %(now)s, updated_at = %(now)s, version = version + 1
FROM due WHERE booking.id = due.id AND booking.status = 'held'
RETURNING booking.id, version, staff_id, service_id, customer_id, start_at, end_at"""


def claim_count(booking: Booking) -> int:
    """Return how many quarters a booking claims while it is live."""
    return quarter_of(booking.claimed_until) - quarter_of(booking.start_at)


async def keep_claims(transaction: Transaction, booking: Booking, expires_at: datetime | None) -> bool:
    """Let the claims of a booking last until an instant, or for good; False when it no longer owns them all."""
    [(kept,)] = await transaction.sql(KEEP, {"id": booking.id, "expires_at": expires_at})
    return kept == claim_count(booking)


async def move_claims(
    transaction: Transaction, booking: Booking, *, staff_id: str, start_at: datetime, now: datetime
) -> bool:
    """Claim another time for a confirmed booking and give the old one up; False when another booking has it.

    False, too, when the staff member is gone.
    """
    first, count = quarter_of(start_at), claim_count(booking)
    values = {"id": booking.id, "staff_id": staff_id, "first": first, "stop": first + count, "now": now}
    [(claimed,)] = await transaction.sql(MOVE, values)
    if claimed == count:
        await transaction.sql(LEAVE, values)
    return claimed == count


async def release_claims(transaction: Transaction, booking_ids: Sequence[str]) -> None:
    """Free the time of bookings whose rows are locked."""
    await transaction.sql(RELEASE, {"ids": list(booking_ids)})
