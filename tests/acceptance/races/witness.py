"""What a race did to the tables: told by triggers of the test's own, and judged by statements of its own."""

from collections import Counter
from typing import LiteralString

import psycopg

WATCH: LiteralString = """
CREATE TABLE race_event (kind text, booking_id text);
CREATE FUNCTION race_witness() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO race_event VALUES (TG_NAME, OLD.booking_id); RETURN NULL;
END $$;
CREATE FUNCTION race_booking_witness() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO race_event VALUES (TG_NAME, OLD.id); RETURN NULL;
END $$;
CREATE TRIGGER taken_over AFTER UPDATE ON slot_claim FOR EACH ROW
    WHEN (OLD.booking_id <> NEW.booking_id) EXECUTE FUNCTION race_witness();
CREATE TRIGGER confirmed AFTER UPDATE ON booking FOR EACH ROW
    WHEN (OLD.status <> 'confirmed' AND NEW.status = 'confirmed') EXECUTE FUNCTION race_booking_witness();
CREATE TRIGGER cancelled AFTER UPDATE ON booking FOR EACH ROW
    WHEN (OLD.status <> 'cancelled' AND NEW.status = 'cancelled') EXECUTE FUNCTION race_booking_witness();
CREATE TRIGGER swept AFTER UPDATE ON booking FOR EACH ROW
    WHEN (OLD.status <> 'expired' AND NEW.status = 'expired') EXECUTE FUNCTION race_booking_witness();
CREATE TRIGGER rescheduled AFTER UPDATE ON booking FOR EACH ROW
    WHEN ((OLD.staff_id, OLD.start_at) <> (NEW.staff_id, NEW.start_at)) EXECUTE FUNCTION race_booking_witness()"""

# A second lies between a look at the clock and a look at the tables, so holds about to expire are left out.
LIVE: LiteralString = """
WITH live AS MATERIALIZED (
    SELECT id, staff_id, start_at, claimed_until, hold_expires_at,
        ARRAY(SELECT generate_series(extract(epoch FROM start_at)::integer / 900,
            extract(epoch FROM claimed_until)::integer / 900 - 1)) AS due
    FROM booking WHERE deleted_at IS NULL
        AND (status = 'confirmed' OR (status = 'held' AND hold_expires_at > clock_timestamp() + interval '1 second'))
)"""
OVERLAPPING: LiteralString = f"""{LIVE}
SELECT format('%s overlaps %s', one.id, other.id) FROM live one JOIN live other
ON one.id < other.id AND one.staff_id = other.staff_id
    AND one.start_at < other.claimed_until AND other.start_at < one.claimed_until"""
NOT_OWNING: LiteralString = f"""{LIVE}
SELECT format('%s does not own exactly its claims', id) FROM live
WHERE due IS DISTINCT FROM ARRAY(
    SELECT q FROM slot_claim WHERE booking_id = live.id AND resource_id = live.staff_id
        AND slot_claim.expires_at IS NOT DISTINCT FROM live.hold_expires_at ORDER BY q)
    OR EXISTS (SELECT FROM slot_claim WHERE booking_id = live.id AND resource_id <> live.staff_id)"""
STRAY: LiteralString = f"""{LIVE}
SELECT format('a claim of %s lives on', booking_id) FROM slot_claim
WHERE (expires_at IS NULL OR expires_at > clock_timestamp() + interval '1 second')
    AND booking_id NOT IN (SELECT id FROM live)"""
DEADLOCKS: LiteralString = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
# No deadlock may end by the time-out of a lock, so that each is counted.
IMPATIENT: LiteralString = """
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = %L', current_database(), '200ms'); END $$"""


class Witness:
    """Looks at the database of a race."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def watch(self) -> None:
        """Write down from now on what happens to bookings and claims."""
        self._connection.execute(WATCH)
        self._connection.execute(IMPATIENT)

    def look_away(self) -> None:
        """Let the database accept what its trigger refuses."""
        self._connection.execute("ALTER TABLE booking DISABLE TRIGGER booking_owns_its_claims")
        self._connection.execute("ALTER TABLE slot_claim DISABLE TRIGGER booking_owns_its_claims")

    def seen(self) -> Counter[str]:
        """Return in how many bookings each kind of event was seen; a booking that moves twice counts twice."""
        rows = self._connection.execute(
            "SELECT kind, CASE kind WHEN 'rescheduled' THEN count(*) ELSE count(DISTINCT booking_id) END"
            " FROM race_event GROUP BY kind"
        )
        return Counter(dict(rows.fetchall()))

    def violations(self) -> list[str]:
        """Return what is wrong with the bookings and the claims."""
        found = [self._connection.execute(query).fetchall() for query in (OVERLAPPING, NOT_OWNING, STRAY)]
        return [sentence for rows in found for (sentence,) in rows]

    def deadlocks(self) -> int:
        """Return how many deadlocks PostgreSQL found in this database; complete once all others have disconnected."""
        row = self._connection.execute(DEADLOCKS).fetchone()
        return row[0] if row else 0
