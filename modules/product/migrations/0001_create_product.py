"""Products, of which no two live ones share a handle."""

from alembic import op

revision = "product_0001"
down_revision = None
branch_labels = ("product",)
depends_on = None

PRODUCT = """
CREATE TABLE product (
    id text CONSTRAINT "PK_product" PRIMARY KEY,
    title text NOT NULL,
    handle text NOT NULL,
    status text NOT NULL DEFAULT 'draft',
    description text,
    metadata jsonb,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT "CK_product_status" CHECK (status IN ('draft', 'published'))
)"""


def upgrade() -> None:
    op.execute(PRODUCT)
    op.execute('CREATE UNIQUE INDEX "IDX_product_handle" ON product (handle) WHERE deleted_at IS NULL')
    op.execute('CREATE INDEX "IDX_product_status" ON product (status) WHERE deleted_at IS NULL')


def downgrade() -> None:
    op.execute("DROP TABLE product")
