"""What a new booking and a move ask of a start."""

from datetime import UTC, datetime, timedelta

from modules.booking.slot_request import SlotRequest
from modules.booking.types import Booking, BookingStatus, DepositType, PaymentMode, Service

NOW = datetime(2027, 1, 1, 12, 5, tzinfo=UTC)
SERVICE = Service(
    id="bksvc_1",
    name="Haircut",
    description=None,
    duration_minutes=20,
    buffer_minutes=15,
    price=2500,
    currency_code="usd",
    deposit_type=DepositType.NONE,
    deposit_value=None,
    payment_modes_allowed=[PaymentMode.PAY_IN_STORE],
    min_notice_minutes=90,
    max_days_ahead=30,
    is_active=True,
    metadata=None,
    created_at=NOW,
    updated_at=NOW,
    deleted_at=None,
)


def booking(start_at: datetime, minutes: int, claimed_minutes: int) -> Booking:
    return Booking(
        id="book_1",
        display_id=1,
        staff_id="bkstf_1",
        service_id=SERVICE.id,
        customer_id=None,
        start_at=start_at,
        end_at=start_at + timedelta(minutes=minutes),
        claimed_until=start_at + timedelta(minutes=claimed_minutes),
        status=BookingStatus.CONFIRMED,
        hold_expires_at=None,
        service_name=SERVICE.name,
        price_amount=SERVICE.price,
        currency_code=SERVICE.currency_code,
        deposit_amount=None,
        payment_mode=None,
        amount_paid=None,
        customer_email=None,
        customer_phone=None,
        customer_name=None,
        customer_timezone=None,
        notes=None,
        internal_notes=None,
        confirmed_at=NOW,
        cancelled_at=None,
        completed_at=None,
        version=1,
        token_version=1,
        metadata=None,
        created_at=NOW,
        updated_at=NOW,
        deleted_at=None,
    )


def test_a_new_booking_takes_its_length_and_bounds_from_the_service() -> None:
    wanted = SlotRequest.for_service(SERVICE, NOW)
    assert (wanted.duration_minutes, wanted.claimed_quarters) == (20, 3)
    assert wanted.earliest == datetime(2027, 1, 1, 13, 35, tzinfo=UTC)
    assert wanted.latest == datetime(2027, 1, 31, 12, 5, tzinfo=UTC)


def test_a_move_keeps_the_length_and_claims_of_the_booking() -> None:
    moved = booking(datetime(2027, 1, 5, 9, 0, tzinfo=UTC), 50, 90)
    wanted = SlotRequest.for_move(moved, SERVICE, NOW)
    assert (wanted.duration_minutes, wanted.claimed_quarters) == (50, 6)
    assert (wanted.min_notice_minutes, wanted.max_days_ahead) == (90, 30)


def test_reaches_as_far_as_the_service_or_its_claims() -> None:
    assert SlotRequest.for_service(SERVICE, NOW).reach == 3
