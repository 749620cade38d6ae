"""The demo shop: a barbershop with two branches, open every day, to try everything on."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from core.container import Scope

from .local_time import first_instant
from .service import BookingService
from .types import (
    CreateAvailabilityRule,
    CreateBooking,
    CreateService,
    CreateStaff,
    DepositType,
    PaymentMode,
    RuleType,
    Service,
    Staff,
)

Hours = tuple[str, str]

VIENNA, NEW_YORK = "Europe/Vienna", "America/New_York"
IN_STORE, ANY_MODE = [PaymentMode.PAY_IN_STORE], list(PaymentMode)

STAFF = [
    CreateStaff(name="Anna Berger", email="anna@example.com", timezone=VIENNA, bio="Scissor cuts and colour."),
    CreateStaff(name="Luka Novak", email="luka@example.com", timezone=VIENNA, bio="Fades, beards, hot towels."),
    CreateStaff(name="Maria Rossi", email="maria@example.com", timezone=NEW_YORK, bio="Curls are her thing."),
    CreateStaff(name="Sam Carter", email="sam@example.com", timezone=NEW_YORK, bio="Classic barbering since 1998."),
]
SPLIT: tuple[Hours, ...] = (("09:00", "13:00"), ("14:00", "18:00"))
WHOLE: tuple[Hours, ...] = (("10:00", "19:00"),)
SHORT: tuple[Hours, ...] = (("11:00", "16:30"),)


def _on(weekdays: Iterable[int], hours: tuple[Hours, ...]) -> dict[int, tuple[Hours, ...]]:
    return dict.fromkeys(weekdays, hours)


WEEKS = [
    _on(range(5), SPLIT) | _on([5], SHORT),
    _on(range(5), WHOLE) | _on([5, 6], SHORT),
    _on(range(6), SPLIT),
    _on([0, 2, 3, 4], WHOLE) | _on([5, 6], SHORT),
]
"""Everybody works six days, so that a holiday leaves five; the one who takes a day off too works seven."""

SERVICES = [
    CreateService(
        name="Haircut", description="Wash, cut and style.", duration_minutes=30, buffer_minutes=5, price=2500
    ),
    CreateService(name="Beard trim", duration_minutes=15, price=1200),
    CreateService(
        name="Haircut and beard",
        duration_minutes=45,
        buffer_minutes=10,
        price=3500,
        payment_modes_allowed=ANY_MODE,
        deposit_type=DepositType.PERCENT,
        deposit_value=20,
    ),
    CreateService(name="Fade", duration_minutes=40, buffer_minutes=5, price=3000, currency_code="eur"),
    CreateService(
        name="Hot towel shave",
        duration_minutes=30,
        buffer_minutes=15,
        price=2800,
        currency_code="eur",
        payment_modes_allowed=ANY_MODE,
        deposit_type=DepositType.FIXED,
        deposit_value=1000,
    ),
    CreateService(
        name="Colour",
        description="Consultation included.",
        duration_minutes=120,
        buffer_minutes=15,
        price=9000,
        currency_code="eur",
        min_notice_minutes=120,
        payment_modes_allowed=[PaymentMode.DEPOSIT, PaymentMode.FULL, PaymentMode.PAY_IN_STORE],
        deposit_type=DepositType.PERCENT,
        deposit_value=50,
    ),
    CreateService(name="Curl specialist", duration_minutes=90, buffer_minutes=10, price=7500, max_days_ahead=60),
    CreateService(name="Perm", description="No longer offered.", duration_minutes=120, price=8000, is_active=False),
]
ONLY: dict[str, tuple[int, ...]] = {"Colour": (0, 2), "Curl specialist": (2,)}
"""Who alone offers a service, by their places in `STAFF`."""

# Days from today (or the next working day), staff member, time of day, service, whether confirmed, customer.
BOOKINGS = [
    (1, 0, "11:30", "Haircut", True, "Jakob Steiner"),
    (1, 1, "11:00", "Haircut and beard", True, "David Huber"),
    (2, 2, "14:30", "Beard trim", True, "Olivia Reed"),
    (2, 0, "14:00", "Colour", True, "Eva Maier"),
    (3, 3, "12:00", "Haircut", False, "Noah Kim"),
    (4, 1, "14:00", "Fade", True, "Lena Wolf"),
    (5, 3, "15:00", "Hot towel shave", True, "Ben Ortiz"),
]


async def load_demo(scope: Scope) -> None:
    """Fill an empty database; the same every time, but for the date it starts from."""
    booking = scope.resolve(BookingService)
    async with scope.transaction():
        services = {service.name: service for service in await booking.services.create(SERVICES)}
        staff = await booking.staff.create(STAFF)
        for name, places in ONLY.items():
            await booking.set_service_staff(services[name].id, [staff[place].id for place in places])
        await booking.availability_rules.create(_hours(staff, scope.clock.now()))
    async with scope.transaction():
        await _book(booking, services, staff, scope.clock.now())


def _hours(staff: list[Staff], now: datetime) -> list[CreateAvailabilityRule]:
    weekly = [
        CreateAvailabilityRule(staff_id=person.id, day_of_week=weekday, start_time=start, end_time=end)
        for person, week in zip(staff, WEEKS, strict=True)
        for weekday, hours in sorted(week.items())
        for start, end in hours
    ]
    today = now.date()
    holiday = [
        CreateAvailabilityRule(staff_id=person.id, rule_type=RuleType.BLOCKED, specific_date=_new_year(today))
        for person in staff
    ]
    day_off = CreateAvailabilityRule(
        staff_id=staff[1].id, rule_type=RuleType.BLOCKED, specific_date=today + timedelta(days=8)
    )
    late_opening = CreateAvailabilityRule(
        staff_id=staff[0].id,
        rule_type=RuleType.EXCEPTION,
        specific_date=today + timedelta(days=9),
        start_time="12:00",
        end_time="20:00",
    )
    lunch = [
        CreateAvailabilityRule(
            staff_id=staff[3].id, day_of_week=weekday, start_time="13:30", end_time="14:00", is_available=False
        )
        for weekday in WEEKS[3]
    ]
    return [*weekly, *holiday, day_off, late_opening, *lunch]


async def _book(booking: BookingService, services: dict[str, Service], staff: list[Staff], now: datetime) -> None:
    for days, place, time_of_day, service, confirmed, customer in BOOKINGS:
        person = staff[place]
        zone = ZoneInfo(person.timezone)
        day = _working_day(now.astimezone(zone).date() + timedelta(days=days), WEEKS[place])
        [made] = await booking.create_bookings(
            [
                CreateBooking(
                    staff_id=person.id,
                    service_id=services[service].id,
                    start_at=first_instant(day, time_of_day, zone, closing=False).astimezone(UTC),
                    customer_name=customer,
                    customer_email=f"{customer.split()[0].lower()}@example.com",
                )
            ]
        )
        if confirmed:
            await booking.confirm(made.id, PaymentMode.PAY_IN_STORE)


def _working_day(day: date, week: dict[int, tuple[Hours, ...]]) -> date:
    while day.weekday() not in week or (day.month, day.day) == (1, 1):
        day += timedelta(days=1)
    return day


def _new_year(today: date) -> date:
    return date(today.year + 1, 1, 1)
