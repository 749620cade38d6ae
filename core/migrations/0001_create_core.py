"""Tables of the workflow engine, of its processes, of the links, and the clock that tests move."""

from alembic import op

revision = "core_0001"
down_revision = None
branch_labels = ("core",)
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE workflow_run (
            id text PRIMARY KEY,
            workflow text NOT NULL,
            version integer NOT NULL,
            key text,
            subject text,
            status text NOT NULL CHECK (status IN ('queued', 'running', 'waiting', 'done', 'failed', 'compensating',
                'compensated', 'compensation_failed', 'cancelled', 'nondeterministic')),
            epoch integer NOT NULL DEFAULT 0,
            takeovers integer NOT NULL DEFAULT 0,
            deaths integer NOT NULL DEFAULT 0,
            owner text,
            due_at timestamptz,
            deadline_at timestamptz,
            cancel_requested boolean NOT NULL DEFAULT false,
            input_hash bytea NOT NULL,
            input jsonb NOT NULL,
            context jsonb NOT NULL,
            entries jsonb NOT NULL,
            result jsonb,
            error jsonb,
            created_at timestamptz NOT NULL,
            finished_at timestamptz,
            expires_at timestamptz,
            CONSTRAINT "UQ_workflow_run_workflow_key" UNIQUE (workflow, key)
        )""")
    op.execute("""CREATE INDEX "IDX_workflow_run_due" ON workflow_run (due_at) WHERE due_at IS NOT NULL""")
    op.execute("""
        CREATE INDEX "IDX_workflow_run_owner" ON workflow_run (owner)
        WHERE status IN ('queued', 'running', 'compensating')""")
    op.execute("""
        CREATE INDEX "IDX_workflow_run_standing" ON workflow_run (status, workflow, version)
        WHERE status IN ('waiting', 'nondeterministic', 'compensation_failed')""")
    op.execute("""CREATE INDEX "IDX_workflow_run_expires" ON workflow_run (expires_at) WHERE expires_at IS NOT NULL""")
    op.execute("""CREATE INDEX "IDX_workflow_run_subject" ON workflow_run (subject) WHERE subject IS NOT NULL""")
    op.execute("""
        CREATE INDEX "IDX_workflow_run_delivery" ON workflow_run (key) WHERE starts_with(workflow, 'on:')""")
    op.execute("""
        CREATE INDEX "IDX_workflow_run_failed_delivery" ON workflow_run (key)
        WHERE starts_with(workflow, 'on:') AND status IN ('failed', 'compensated', 'cancelled', 'compensation_failed',
            'nondeterministic')""")
    op.execute("""
        CREATE TABLE workflow_step (
            run_id text NOT NULL REFERENCES workflow_run (id) ON DELETE CASCADE,
            path text NOT NULL,
            entry jsonb NOT NULL,
            PRIMARY KEY (run_id, path)
        )""")
    op.execute("""
        CREATE TABLE outbox (
            id text PRIMARY KEY,
            name text NOT NULL,
            data jsonb NOT NULL,
            run_id text,
            emitted_at timestamptz NOT NULL
        )""")
    op.execute("""CREATE INDEX "IDX_outbox_emitted" ON outbox (emitted_at)""")
    op.execute("""
        CREATE TABLE scheduled_job (
            id text PRIMARY KEY,
            last_tick_at timestamptz NOT NULL,
            last_run_id text
        )""")
    op.execute("""
        CREATE TABLE integrity_check (
            name text PRIMARY KEY,
            findings integer NOT NULL,
            checked_at timestamptz NOT NULL
        )""")
    op.execute("""
        CREATE TABLE workflow_signal (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            run_id text NOT NULL REFERENCES workflow_run (id) ON DELETE CASCADE
                DEFERRABLE INITIALLY DEFERRED,
            name text NOT NULL,
            signal_id text,
            value jsonb NOT NULL,
            error jsonb,
            created_at timestamptz NOT NULL,
            taken boolean NOT NULL DEFAULT false,
            CONSTRAINT "UQ_workflow_signal_run_name_id" UNIQUE (run_id, name, signal_id)
        )""")
    op.execute("""
        CREATE INDEX "IDX_workflow_signal_run_name" ON workflow_signal (run_id, name, id) WHERE NOT taken""")
    op.execute("""
        CREATE TABLE workflow_process (
            id text PRIMARY KEY,
            host text NOT NULL,
            pid integer NOT NULL,
            started_at timestamptz NOT NULL,
            beat_at timestamptz NOT NULL,
            clock_offset interval NOT NULL,
            jobs text[] NOT NULL DEFAULT '{}'
        )""")
    op.execute("""
        CREATE TABLE link_definition (
            table_name text PRIMARY KEY,
            definition jsonb NOT NULL
        )""")
    op.execute("""
        CREATE TABLE link_deletion (
            root_entity text NOT NULL,
            root_id text NOT NULL,
            entity text NOT NULL,
            record_id text NOT NULL,
            deleted_at timestamptz NOT NULL,
            PRIMARY KEY (root_entity, root_id, entity, record_id)
        )""")
    op.execute("""
        CREATE TABLE clock_offset (
            only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
            moved_by interval NOT NULL
        )""")
    op.execute("""
        CREATE FUNCTION current_clock_offset() RETURNS interval LANGUAGE sql STABLE AS
        $$ SELECT coalesce((SELECT moved_by FROM clock_offset), interval '0') $$""")


def downgrade() -> None:
    op.execute("DROP FUNCTION current_clock_offset()")
    for table in (
        "clock_offset",
        "link_deletion",
        "link_definition",
        "integrity_check",
        "scheduled_job",
        "outbox",
        "workflow_process",
        "workflow_signal",
        "workflow_step",
        "workflow_run",
    ):
        op.execute(f"DROP TABLE {table}")
