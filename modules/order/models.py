"""The tables of this module, and the entities that bind them to Structs."""

from sqlalchemy import BigInteger, CheckConstraint, Computed, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import EntityColumns, TableBase, module_metadata, one_of
from core.entity import has_many
from core.module import Entity

from .types import Order, OrderItem, OrderStatus


class Base(TableBase):
    """Base of the order tables."""

    __abstract__ = True
    metadata = module_metadata()


class OrderTable(EntityColumns, Base):
    """What somebody bought; written with its items, through `OrderService` alone."""

    __tablename__ = "order"
    __table_args__ = (
        one_of("status", OrderStatus),
        CheckConstraint("total >= 0", name="total"),
        Index("IDX_order_display_id", "display_id", unique=True),
        Index("IDX_order_status", "status", postgresql_where=text("deleted_at IS NULL")),
        Index("IDX_order_email", "email", postgresql_where=text("deleted_at IS NULL AND email IS NOT NULL")),
    )

    display_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    status: Mapped[str] = mapped_column(server_default="pending")
    currency_code: Mapped[str]
    email: Mapped[str | None]
    total: Mapped[int] = mapped_column(BigInteger)


class OrderItemTable(EntityColumns, Base):
    """One line of an order."""

    __tablename__ = "order_item"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("unit_price >= 0", name="unit_price"),
        Index("IDX_order_item_order_id", "order_id"),
    )

    order_id: Mapped[str] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"))
    title: Mapped[str]
    quantity: Mapped[int]
    unit_price: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger, Computed("quantity * unit_price", persisted=True))


ORDER = Entity(
    "order",
    table=OrderTable,
    struct=Order,
    id_prefix="order",
    relations={"items": has_many("order_item", by="order_id")},
    searchable=("email",),
)
ORDER_ITEM = Entity("order_item", table=OrderItemTable, struct=OrderItem, id_prefix="ordli", searchable=("title",))
