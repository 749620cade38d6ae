"""Orders and their items."""

from alembic import op

revision = "order_0001"
down_revision = None
branch_labels = ("order",)
depends_on = None

ENTITY = """
    metadata jsonb,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,"""

ORDER = f"""
CREATE TABLE "order" (
    id text CONSTRAINT "PK_order" PRIMARY KEY,
    display_id bigint GENERATED ALWAYS AS IDENTITY,
    status text NOT NULL DEFAULT 'pending',
    currency_code text NOT NULL,
    email text,
    total bigint NOT NULL,{ENTITY}
    CONSTRAINT "CK_order_status" CHECK (status IN ('pending', 'completed', 'cancelled')),
    CONSTRAINT "CK_order_total" CHECK (total >= 0)
)"""

ORDER_ITEM = f"""
CREATE TABLE order_item (
    id text CONSTRAINT "PK_order_item" PRIMARY KEY,
    order_id text NOT NULL CONSTRAINT "FK_order_item_order_id" REFERENCES "order" (id) ON DELETE CASCADE,
    title text NOT NULL,
    quantity integer NOT NULL,
    unit_price bigint NOT NULL,
    total bigint NOT NULL GENERATED ALWAYS AS (quantity * unit_price) STORED,{ENTITY}
    CONSTRAINT "CK_order_item_quantity" CHECK (quantity > 0),
    CONSTRAINT "CK_order_item_unit_price" CHECK (unit_price >= 0)
)"""

INDEXES = (
    'UNIQUE INDEX "IDX_order_display_id" ON "order" (display_id)',
    'INDEX "IDX_order_status" ON "order" (status) WHERE deleted_at IS NULL',
    'INDEX "IDX_order_email" ON "order" (email) WHERE deleted_at IS NULL AND email IS NOT NULL',
    'INDEX "IDX_order_item_order_id" ON order_item (order_id)',
)


def upgrade() -> None:
    op.execute(ORDER)
    op.execute(ORDER_ITEM)
    for index in INDEXES:
        op.execute(f"CREATE {index}")


def downgrade() -> None:
    op.execute("DROP TABLE order_item")
    op.execute('DROP TABLE "order"')
