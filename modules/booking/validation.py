"""What a service or a staff member must satisfy as a whole, whichever way it is written."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from core.clock import zone_names
from core.errors import InvalidData
from core.money import check_currency

from .types import CreateService, CreateStaff, DepositType, Service, Staff

LARGEST_PRICE = 10**12
LONGEST_NOTICE_MINUTES = timedelta(days=366) // timedelta(minutes=1)
FARTHEST_DAYS = 3660


def check_service(service: Service | CreateService) -> None:
    """Raise `InvalidData` unless price, deposit, lengths and payment modes go together."""
    _check_name(service.name)
    _check_range("duration_minutes", service.duration_minutes, 1, 1440)
    _check_range("buffer_minutes", service.buffer_minutes, 0, 480)
    _check_range("price", service.price, 0, LARGEST_PRICE)
    _check_range("min_notice_minutes", service.min_notice_minutes, 0, LONGEST_NOTICE_MINUTES)
    _check_range("max_days_ahead", service.max_days_ahead, 0, FARTHEST_DAYS)
    check_currency(service.currency_code)
    _check_deposit(service)
    modes = service.payment_modes_allowed
    if not modes or len(set(modes)) < len(modes):
        raise InvalidData("at least one payment mode, each once", field="payment_modes_allowed")


def check_staff(staff: Staff | CreateStaff) -> None:
    """Raise `InvalidData` unless the staff member has a name and a known time zone."""
    _check_name(staff.name)
    if isinstance(staff.timezone, str):
        zone_of(staff.timezone)


def zone_of(name: str) -> ZoneInfo:
    """Return the IANA time zone of that name; raise `InvalidData` if there is none."""
    if name not in zone_names():
        raise InvalidData(f"{name!r:.80} is not an IANA time zone", field="timezone")
    return ZoneInfo(name)


def _check_deposit(service: Service | CreateService) -> None:
    value = service.deposit_value
    match service.deposit_type:
        case DepositType.NONE:
            if value is not None:
                raise InvalidData("without a deposit there is no value", field="deposit_value")
        case DepositType.FIXED:
            _check_range("deposit_value", value, 0, service.price)
        case DepositType.PERCENT:
            _check_range("deposit_value", value, 0, 100)


def _check_name(name: str) -> None:
    if not name.strip():
        raise InvalidData("a name is needed", field="name")


def _check_range(field: str, value: int | None, least: int, most: int) -> None:
    if value is None or not least <= value <= most:
        raise InvalidData(f"{field} is {value}, not from {least} to {most}", field=field)
