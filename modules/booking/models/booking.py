"""Bookings, and the quarter hours that live ones own."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import EntityColumns, one_of

from ..types import BookingStatus, PaymentMode
from .base import Base


class BookingTable(EntityColumns, Base):
    """One appointment; writes go through `BookingService` alone."""

    __tablename__ = "booking"
    __table_args__ = (
        CheckConstraint("status <> 'held' OR hold_expires_at IS NOT NULL", name="hold_expires_at"),
        CheckConstraint("status <> 'confirmed' OR hold_expires_at IS NULL", name="confirmed"),
        CheckConstraint("start_at < end_at AND end_at <= claimed_until", name="times"),
        CheckConstraint("extract(epoch FROM start_at) % 900 = 0", name="start_at"),
        CheckConstraint("extract(epoch FROM claimed_until) % 900 = 0", name="claimed_until"),
        CheckConstraint("price_amount >= 0", name="price_amount"),
        one_of("status", BookingStatus),
        one_of("payment_mode", PaymentMode),
        # Not unique: it would refuse the take-over of a hold that has expired and is not swept yet.
        Index(
            "IDX_booking_staff_start",
            "staff_id",
            "start_at",
            postgresql_where=text("deleted_at IS NULL AND status IN ('held', 'confirmed')"),
        ),
        Index("IDX_booking_status", "status", postgresql_where=text("deleted_at IS NULL")),
        Index(
            "IDX_booking_customer",
            "customer_id",
            postgresql_where=text("deleted_at IS NULL AND customer_id IS NOT NULL"),
        ),
        Index(
            "IDX_booking_hold_expires",
            "hold_expires_at",
            postgresql_where=text("deleted_at IS NULL AND status = 'held'"),
        ),
        Index("IDX_booking_date_range", "start_at", "end_at", postgresql_where=text("deleted_at IS NULL")),
        Index("IDX_booking_service_id", "service_id"),
    )

    display_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    staff_id: Mapped[str] = mapped_column(ForeignKey("booking_staff.id"))
    service_id: Mapped[str] = mapped_column(ForeignKey("booking_service.id"))
    customer_id: Mapped[str | None]
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    claimed_until: Mapped[datetime]
    first_start_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(server_default="held")
    hold_expires_at: Mapped[datetime | None]
    service_name: Mapped[str]
    price_amount: Mapped[int] = mapped_column(BigInteger)
    currency_code: Mapped[str]
    deposit_amount: Mapped[int | None] = mapped_column(BigInteger)
    payment_mode: Mapped[str | None]
    amount_paid: Mapped[int | None] = mapped_column(BigInteger)
    customer_email: Mapped[str | None]
    customer_phone: Mapped[str | None]
    customer_name: Mapped[str | None]
    customer_timezone: Mapped[str | None]
    notes: Mapped[str | None]
    internal_notes: Mapped[str | None]
    confirmed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    cancel_reason: Mapped[str | None]
    completed_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default="1")
    token_version: Mapped[int] = mapped_column(server_default="1")


class SlotClaimTable(Base):
    """One occupied quarter hour of one resource; the primary key makes two claims on it impossible.

    `expires_at` is the hold's, NULL once confirmed; an expired claim may be taken over by anybody.
    """

    __tablename__ = "slot_claim"
    __table_args__ = (Index("IDX_slot_claim_booking_id", "booking_id"),)

    resource_id: Mapped[str] = mapped_column(primary_key=True)
    q: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    booking_id: Mapped[str]
    expires_at: Mapped[datetime | None]
