"""The table of this module, and the entity that binds it to its Structs."""

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import EntityColumns, TableBase, module_metadata
from core.module import Entity

from .types import CreateCustomer, Customer, UpdateCustomer


class Base(TableBase):
    """Base of the customer tables."""

    __abstract__ = True
    metadata = module_metadata()


class CustomerTable(EntityColumns, Base):
    """Somebody who buys."""

    __tablename__ = "customer"
    __table_args__ = (
        CheckConstraint("NOT has_account OR email IS NOT NULL", name="has_account"),
        # A guest who gives the address of an account stays a guest: one record of each kind.
        Index(
            "IDX_customer_email",
            "email",
            "has_account",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )

    email: Mapped[str | None]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    phone: Mapped[str | None]
    has_account: Mapped[bool] = mapped_column(server_default=text("false"))


CUSTOMER = Entity(
    "customer",
    table=CustomerTable,
    struct=Customer,
    create=CreateCustomer,
    update=UpdateCustomer,
    id_prefix="cus",
    searchable=("first_name", "last_name", "email", "phone"),
)
