"""Customers: one live record per e-mail address for its guests and one for its account."""

from alembic import op

revision = "customer_0001"
down_revision = None
branch_labels = ("customer",)
depends_on = None

CUSTOMER = """
CREATE TABLE customer (
    id text CONSTRAINT "PK_customer" PRIMARY KEY,
    email text,
    first_name text,
    last_name text,
    phone text,
    has_account boolean NOT NULL DEFAULT false,
    metadata jsonb,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT "CK_customer_has_account" CHECK (NOT has_account OR email IS NOT NULL)
)"""

EMAIL = 'CREATE UNIQUE INDEX "IDX_customer_email" ON customer (email, has_account) WHERE deleted_at IS NULL'


def upgrade() -> None:
    op.execute(CUSTOMER)
    op.execute(EMAIL)


def downgrade() -> None:
    op.execute("DROP TABLE customer")
