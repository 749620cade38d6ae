"""Tables: the base class of a module's tables and the columns that every entity has."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .types import UtcDateTime

NAMING = {
    "ix": "IDX_%(table_name)s_%(column_0_N_name)s",
    "uq": "UQ_%(table_name)s_%(column_0_N_name)s",
    "ck": "CK_%(table_name)s_%(constraint_name)s",
    "fk": "FK_%(table_name)s_%(column_0_name)s",
    "pk": "PK_%(table_name)s",
}


class TableBase(DeclarativeBase):
    """Base of a module's own base: `class Base(TableBase): metadata = module_metadata()`."""

    __abstract__ = True
    type_annotation_map = {datetime: UtcDateTime, str: Text, dict[str, Any]: JSONB(none_as_null=True)}  # noqa: RUF012, SQLAlchemy reads it so

    def __init_subclass__(cls, **options: Any) -> None:
        if "metadata" in vars(cls):
            cls.__abstract__ = True  # a module's base is no table itself
        super().__init_subclass__(**options)


def module_metadata() -> MetaData:
    """Return an empty `MetaData` with the project's naming convention; one per module, so no key crosses modules."""
    return MetaData(naming_convention=NAMING)


def one_of(column: str, enum: type[StrEnum]) -> CheckConstraint:
    """Let a text column hold the values of an enum only."""
    values = ", ".join(f"'{member.value}'" for member in enum)
    return CheckConstraint(f"{column} IN ({values})", name=column)


class EntityColumns:
    """Mixin: `id`, `created_at`, `updated_at`, `deleted_at` (soft delete), `metadata`."""

    id: Mapped[str] = mapped_column(primary_key=True, sort_order=-1)
    created_at: Mapped[datetime] = mapped_column(sort_order=1000)
    updated_at: Mapped[datetime] = mapped_column(sort_order=1001)
    deleted_at: Mapped[datetime | None] = mapped_column(sort_order=1002)
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata", JSONB(none_as_null=True), sort_order=999)
