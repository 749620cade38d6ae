"""Services, staff, hours, bookings, and the claims that make a double booking impossible."""

from alembic import op

revision = "booking_0001"
down_revision = None
branch_labels = ("booking",)
depends_on = None

ENTITY = """
    metadata jsonb,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,"""

SERVICE = f"""
CREATE TABLE booking_service (
    id text CONSTRAINT "PK_booking_service" PRIMARY KEY,
    name text NOT NULL,
    description text,
    duration_minutes integer NOT NULL DEFAULT 30,
    buffer_minutes integer NOT NULL DEFAULT 0,
    price bigint NOT NULL,
    currency_code text NOT NULL DEFAULT 'usd',
    deposit_type text NOT NULL DEFAULT 'none',
    deposit_value bigint,
    payment_modes_allowed jsonb NOT NULL DEFAULT '["pay_in_store"]',
    min_notice_minutes integer NOT NULL DEFAULT 0,
    max_days_ahead integer NOT NULL DEFAULT 365,
    is_active boolean NOT NULL DEFAULT true,{ENTITY}
    CONSTRAINT "CK_booking_service_duration_minutes" CHECK (duration_minutes BETWEEN 1 AND 1440),
    CONSTRAINT "CK_booking_service_buffer_minutes" CHECK (buffer_minutes BETWEEN 0 AND 480),
    CONSTRAINT "CK_booking_service_price" CHECK (price >= 0),
    CONSTRAINT "CK_booking_service_min_notice_minutes" CHECK (min_notice_minutes >= 0),
    CONSTRAINT "CK_booking_service_max_days_ahead" CHECK (max_days_ahead >= 0),
    CONSTRAINT "CK_booking_service_deposit_type" CHECK (deposit_type IN ('none', 'fixed', 'percent'))
)"""

STAFF = f"""
CREATE TABLE booking_staff (
    id text CONSTRAINT "PK_booking_staff" PRIMARY KEY,
    name text NOT NULL,
    email text,
    phone text,
    bio text,
    avatar_url text,
    timezone text NOT NULL,
    is_active boolean NOT NULL DEFAULT true,{ENTITY.rstrip(",")}
)"""

SERVICE_STAFF = """
CREATE TABLE booking_service_staff (
    service_id text CONSTRAINT "FK_booking_service_staff_service_id"
        REFERENCES booking_service (id) ON DELETE CASCADE,
    staff_id text CONSTRAINT "FK_booking_service_staff_staff_id"
        REFERENCES booking_staff (id) ON DELETE CASCADE,
    CONSTRAINT "PK_booking_service_staff" PRIMARY KEY (service_id, staff_id)
)"""

AVAILABILITY_RULE = f"""
CREATE TABLE booking_availability_rule (
    id text CONSTRAINT "PK_booking_availability_rule" PRIMARY KEY,
    staff_id text NOT NULL CONSTRAINT "FK_booking_availability_rule_staff_id"
        REFERENCES booking_staff (id) ON DELETE CASCADE,
    rule_type text NOT NULL DEFAULT 'recurring',
    day_of_week integer,
    specific_date date,
    start_time text,
    end_time text,
    is_available boolean NOT NULL DEFAULT true,{ENTITY}
    CONSTRAINT "CK_booking_availability_rule_day_of_week" CHECK (day_of_week BETWEEN 0 AND 6),
    CONSTRAINT "CK_booking_availability_rule_times" CHECK ((start_time IS NULL) = (end_time IS NULL)),
    CONSTRAINT "CK_booking_availability_rule_rule_type" CHECK (rule_type IN ('recurring', 'exception', 'blocked'))
)"""

BOOKING = f"""
CREATE TABLE booking (
    id text CONSTRAINT "PK_booking" PRIMARY KEY,
    display_id bigint GENERATED ALWAYS AS IDENTITY,
    staff_id text NOT NULL CONSTRAINT "FK_booking_staff_id" REFERENCES booking_staff (id),
    service_id text NOT NULL CONSTRAINT "FK_booking_service_id" REFERENCES booking_service (id),
    customer_id text,
    start_at timestamptz NOT NULL,
    end_at timestamptz NOT NULL,
    claimed_until timestamptz NOT NULL,
    first_start_at timestamptz NOT NULL,
    status text NOT NULL DEFAULT 'held',
    hold_expires_at timestamptz,
    service_name text NOT NULL,
    price_amount bigint NOT NULL,
    currency_code text NOT NULL,
    deposit_amount bigint,
    payment_mode text,
    amount_paid bigint,
    customer_email text,
    customer_phone text,
    customer_name text,
    customer_timezone text,
    notes text,
    internal_notes text,
    confirmed_at timestamptz,
    cancelled_at timestamptz,
    cancel_reason text,
    completed_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    token_version integer NOT NULL DEFAULT 1,{ENTITY}
    CONSTRAINT "CK_booking_hold_expires_at" CHECK (status <> 'held' OR hold_expires_at IS NOT NULL),
    CONSTRAINT "CK_booking_confirmed" CHECK (status <> 'confirmed' OR hold_expires_at IS NULL),
    CONSTRAINT "CK_booking_times" CHECK (start_at < end_at AND end_at <= claimed_until),
    CONSTRAINT "CK_booking_start_at" CHECK (extract(epoch FROM start_at) % 900 = 0),
    CONSTRAINT "CK_booking_claimed_until" CHECK (extract(epoch FROM claimed_until) % 900 = 0),
    CONSTRAINT "CK_booking_price_amount" CHECK (price_amount >= 0),
    CONSTRAINT "CK_booking_status"
        CHECK (status IN ('held', 'confirmed', 'cancelled', 'completed', 'no_show', 'expired')),
    CONSTRAINT "CK_booking_payment_mode" CHECK (payment_mode IN ('pay_in_store', 'deposit', 'full'))
)"""

SLOT_CLAIM = """
CREATE TABLE slot_claim (
    resource_id text,
    q integer,
    booking_id text NOT NULL,
    expires_at timestamptz,
    CONSTRAINT "PK_slot_claim" PRIMARY KEY (resource_id, q)
)"""

INDEXES = {
    "IDX_booking_service_is_active": "booking_service (is_active) WHERE deleted_at IS NULL",
    "IDX_booking_staff_is_active": "booking_staff (is_active) WHERE deleted_at IS NULL",
    "IDX_booking_service_staff_staff_id": "booking_service_staff (staff_id)",
    "IDX_availability_staff_day": "booking_availability_rule (staff_id, day_of_week)"
    " WHERE deleted_at IS NULL AND rule_type = 'recurring'",
    "IDX_availability_staff_date": "booking_availability_rule (staff_id, specific_date)"
    " WHERE deleted_at IS NULL AND specific_date IS NOT NULL",
    "IDX_booking_staff_start": "booking (staff_id, start_at)"
    " WHERE deleted_at IS NULL AND status IN ('held', 'confirmed')",
    "IDX_booking_status": "booking (status) WHERE deleted_at IS NULL",
    "IDX_booking_customer": "booking (customer_id) WHERE deleted_at IS NULL AND customer_id IS NOT NULL",
    "IDX_booking_hold_expires": "booking (hold_expires_at) WHERE deleted_at IS NULL AND status = 'held'",
    "IDX_booking_date_range": "booking (start_at, end_at) WHERE deleted_at IS NULL",
    "IDX_booking_service_id": "booking (service_id)",
    "IDX_slot_claim_booking_id": "slot_claim (booking_id)",
}

# The clock is asked only where the claims are not simply right: that is, of expired holds. One second of tolerance
# lies between the application's clock and this one.
CHECK_CLAIMS = """
CREATE FUNCTION booking_check_claims(subject text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    mine record;
    owned bigint;
    fitting bigint;
    at timestamptz;
BEGIN
    SELECT staff_id, status, hold_expires_at,
        extract(epoch FROM start_at)::bigint / 900 AS first, extract(epoch FROM claimed_until)::bigint / 900 AS stop
    INTO mine FROM booking WHERE id = subject AND deleted_at IS NULL AND status IN ('held', 'confirmed');
    SELECT count(*), count(*) FILTER (WHERE resource_id = mine.staff_id AND q >= mine.first AND q < mine.stop
        AND expires_at IS NOT DISTINCT FROM mine.hold_expires_at)
    INTO owned, fitting FROM slot_claim WHERE booking_id = subject;
    IF owned = fitting AND owned = coalesce(mine.stop - mine.first, 0) THEN
        RETURN;
    END IF;
    at := clock_timestamp() + current_clock_offset() + interval '1 second';
    IF mine.status = 'confirmed' OR mine.hold_expires_at > at THEN
        RAISE check_violation USING
            MESSAGE = format('booking %s is live and does not own exactly its claims', subject),
            CONSTRAINT = 'booking_owns_its_claims';
    END IF;
    IF EXISTS (SELECT FROM slot_claim WHERE booking_id = subject AND (expires_at IS NULL OR expires_at > at)) THEN
        RAISE check_violation USING
            MESSAGE = format('booking %s is not live and owns claims that have not expired', subject),
            CONSTRAINT = 'booking_owns_its_claims';
    END IF;
END $$"""

BOOKING_CHANGED = """
CREATE FUNCTION booking_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        PERFORM booking_check_claims(NEW.id);
    END IF;
    IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
        PERFORM booking_check_claims(OLD.id);
    END IF;
    RETURN NULL;
END $$"""

SLOT_CLAIM_CHANGED = """
CREATE FUNCTION slot_claim_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        PERFORM booking_check_claims(NEW.booking_id);
    END IF;
    IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.booking_id <> NEW.booking_id) THEN
        PERFORM booking_check_claims(OLD.booking_id);
    END IF;
    RETURN NULL;
END $$"""

# Row triggers do not see a TRUNCATE. It has locked the table by now, so nothing becomes live behind this look.
BOOKING_TRUNCATED = """
CREATE FUNCTION booking_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    at timestamptz := clock_timestamp() + current_clock_offset();
BEGIN
    IF EXISTS (SELECT FROM booking WHERE deleted_at IS NULL
        AND (status = 'confirmed' OR status = 'held' AND hold_expires_at > at)) THEN
        RAISE check_violation USING
            MESSAGE = format('%s cannot be truncated while bookings are live', TG_TABLE_NAME),
            CONSTRAINT = 'booking_owns_its_claims';
    END IF;
    RETURN NULL;
END $$"""

TRIGGERS = (
    """CREATE CONSTRAINT TRIGGER booking_owns_its_claims
    AFTER INSERT OR DELETE OR UPDATE OF id, staff_id, start_at, claimed_until, status, hold_expires_at, deleted_at
    ON booking DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION booking_changed()""",
    """CREATE CONSTRAINT TRIGGER booking_owns_its_claims
    AFTER INSERT OR DELETE OR UPDATE
    ON slot_claim DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slot_claim_changed()""",
    "CREATE TRIGGER booking_truncated BEFORE TRUNCATE ON booking EXECUTE FUNCTION booking_truncated()",
    "CREATE TRIGGER booking_truncated BEFORE TRUNCATE ON slot_claim EXECUTE FUNCTION booking_truncated()",
)


def upgrade() -> None:
    for table in (SERVICE, STAFF, SERVICE_STAFF, AVAILABILITY_RULE, BOOKING, SLOT_CLAIM):
        op.execute(table)
    for name, definition in INDEXES.items():
        op.execute(f'CREATE INDEX "{name}" ON {definition}')
    for function in (CHECK_CLAIMS, BOOKING_CHANGED, SLOT_CLAIM_CHANGED, BOOKING_TRUNCATED, *TRIGGERS):
        op.execute(function)


def downgrade() -> None:
    tables = ("slot_claim", "booking", "booking_availability_rule", "booking_service_staff")
    for table in (*tables, "booking_staff", "booking_service"):
        op.execute(f"DROP TABLE {table}")
    for function in ("booking_changed()", "slot_claim_changed()", "booking_truncated()", "booking_check_claims(text)"):
        op.execute(f"DROP FUNCTION {function}")
