"""What the tables of this module share."""

from enum import StrEnum

from sqlalchemy import CheckConstraint

from core.db import TableBase, module_metadata


class Base(TableBase):
    """Base of the booking tables."""

    __abstract__ = True
    metadata = module_metadata()


def one_of(column: str, enum: type[StrEnum]) -> CheckConstraint:
    """Let a text column hold the values of an enum only."""
    values = ", ".join(f"'{member.value}'" for member in enum)
    return CheckConstraint(f"{column} IN ({values})", name=column)
