"""Services, and which staff offers them."""

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import EntityColumns, one_of

from ..types import DepositType
from .base import Base


class ServiceTable(EntityColumns, Base):
    """Something that can be booked."""

    __tablename__ = "booking_service"
    __table_args__ = (
        CheckConstraint("duration_minutes BETWEEN 1 AND 1440", name="duration_minutes"),
        CheckConstraint("buffer_minutes BETWEEN 0 AND 480", name="buffer_minutes"),
        CheckConstraint("price >= 0", name="price"),
        CheckConstraint("min_notice_minutes >= 0", name="min_notice_minutes"),
        CheckConstraint("max_days_ahead >= 0", name="max_days_ahead"),
        one_of("deposit_type", DepositType),
        Index("IDX_booking_service_is_active", "is_active", postgresql_where=text("deleted_at IS NULL")),
    )

    name: Mapped[str]
    description: Mapped[str | None]
    duration_minutes: Mapped[int] = mapped_column(server_default="30")
    buffer_minutes: Mapped[int] = mapped_column(server_default="0")
    price: Mapped[int] = mapped_column(BigInteger)
    currency_code: Mapped[str] = mapped_column(server_default="usd")
    deposit_type: Mapped[str] = mapped_column(server_default="none")
    deposit_value: Mapped[int | None] = mapped_column(BigInteger)
    payment_modes_allowed: Mapped[list[str]] = mapped_column(JSONB, server_default='["pay_in_store"]')
    min_notice_minutes: Mapped[int] = mapped_column(server_default="0")
    max_days_ahead: Mapped[int] = mapped_column(server_default="365")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))


class ServiceStaffTable(Base):
    """Who offers a service; a service without rows here is offered by everybody."""

    __tablename__ = "booking_service_staff"
    __table_args__ = (Index("IDX_booking_service_staff_staff_id", "staff_id"),)

    service_id: Mapped[str] = mapped_column(ForeignKey("booking_service.id", ondelete="CASCADE"), primary_key=True)
    staff_id: Mapped[str] = mapped_column(ForeignKey("booking_staff.id", ondelete="CASCADE"), primary_key=True)
