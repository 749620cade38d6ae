"""The table of this module, and the entity that binds it to its Structs."""

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import EntityColumns, TableBase, module_metadata, one_of
from core.module import Entity

from .types import CreateProduct, Product, ProductStatus, UpdateProduct


class Base(TableBase):
    """Base of the product tables."""

    __abstract__ = True
    metadata = module_metadata()


class ProductTable(EntityColumns, Base):
    """Something in the catalogue."""

    __tablename__ = "product"
    __table_args__ = (
        one_of("status", ProductStatus),
        Index("IDX_product_handle", "handle", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("IDX_product_status", "status", postgresql_where=text("deleted_at IS NULL")),
    )

    title: Mapped[str]
    handle: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="draft")
    description: Mapped[str | None]


PRODUCT = Entity(
    "product",
    table=ProductTable,
    struct=Product,
    create=CreateProduct,
    update=UpdateProduct,
    id_prefix="prod",
    searchable=("title", "handle"),
)
