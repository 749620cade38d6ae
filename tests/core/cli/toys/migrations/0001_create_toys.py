"""Create the toys."""

from alembic import op

revision = "toys_0001"
down_revision = None
branch_labels = ("toys",)
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE toy (
            id text NOT NULL,
            name text NOT NULL,
            metadata jsonb,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            deleted_at timestamptz,
            CONSTRAINT "PK_toy" PRIMARY KEY (id)
        )""")


def downgrade() -> None:
    op.execute("DROP TABLE toy")
