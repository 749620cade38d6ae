"""Staff and their hours."""

from datetime import date

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import EntityColumns, one_of

from ..types import RuleType
from .base import Base


class StaffTable(EntityColumns, Base):
    """A person who renders services."""

    __tablename__ = "booking_staff"
    __table_args__ = (Index("IDX_booking_staff_is_active", "is_active", postgresql_where=text("deleted_at IS NULL")),)

    name: Mapped[str]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    bio: Mapped[str | None]
    avatar_url: Mapped[str | None]
    timezone: Mapped[str]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))


class AvailabilityRuleTable(EntityColumns, Base):
    """Weekly hours, the hours of one date, or time off."""

    __tablename__ = "booking_availability_rule"
    __table_args__ = (
        CheckConstraint("day_of_week BETWEEN 0 AND 6", name="day_of_week"),
        CheckConstraint("(start_time IS NULL) = (end_time IS NULL)", name="times"),
        one_of("rule_type", RuleType),
        Index(
            "IDX_availability_staff_day",
            "staff_id",
            "day_of_week",
            postgresql_where=text("deleted_at IS NULL AND rule_type = 'recurring'"),
        ),
        Index(
            "IDX_availability_staff_date",
            "staff_id",
            "specific_date",
            postgresql_where=text("deleted_at IS NULL AND specific_date IS NOT NULL"),
        ),
    )

    staff_id: Mapped[str] = mapped_column(ForeignKey("booking_staff.id", ondelete="CASCADE"))
    rule_type: Mapped[str] = mapped_column(server_default="recurring")
    day_of_week: Mapped[int | None]
    specific_date: Mapped[date | None]
    start_time: Mapped[str | None]
    end_time: Mapped[str | None]
    is_available: Mapped[bool] = mapped_column(server_default=text("true"))
