"""On PostgreSQL: the offer equals the oracle's, whatever is offered can be held, and nothing else can."""

import asyncio
import random
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import uvloop
from msgspec.structs import replace

from core.app import Application
from core.clock import Clock
from core.config import Config
from core.container import Scope
from core.db import Transaction
from core.errors import HoldfastError
from core.testing import config_on
from modules.booking import BookingService, CreateStaff, NewHold, PaymentMode, Service, SlotQuery, SlotUnavailable
from modules.booking.errors import InPast, OffGrid, TooFarAhead, TooSoon

from . import oracle
from .compare import offer_of, person_of, question_of, run_examples
from .samples import weekly
from .strategies import Member, Scenario

OTHERS = 20
GRID = timedelta(minutes=15)
EXPIRED = timedelta(minutes=10)


class Stopped(Clock):
    """A clock that stands still."""

    def __init__(self) -> None:
        super().__init__()
        self.at = datetime.now(UTC)

    def now(self) -> datetime:
        """Return where it stands."""
        return self.at


class Shop:
    """A scenario in the tables, for the length of a transaction."""

    def __init__(self, scope: Scope, transaction: Transaction, clock: Stopped, scenario: Scenario) -> None:
        self.bookings = scope.resolve(BookingService)
        self.scenario = scenario
        self._transaction = transaction
        self._clock = clock

    async def open(self) -> list[oracle.Person]:
        """Make the service, its staff and their bookings; return the staff as the oracle knows them."""
        self._clock.at = self.scenario.now
        [self.service] = await self.bookings.services.create([self.scenario.service])
        staff = await self.bookings.staff.create([member.staff for member in self.scenario.members])
        await self.bookings.availability_rules.create(
            [
                replace(rule, staff_id=one.id)
                for one, member in zip(staff, self.scenario.members, strict=True)
                for rule in member.rules
            ]
        )
        await self._add_outsider([one.id for one in staff], restricted=len(staff) % 2 == 0)
        for one, member in zip(staff, self.scenario.members, strict=True):
            await self._book(one.id, member)
        await self._transaction.sql("SAVEPOINT opened")
        return [person_of(one.id, member) for one, member in zip(staff, self.scenario.members, strict=True)]

    async def _add_outsider(self, staff_ids: list[str], *, restricted: bool) -> None:
        """Let somebody work around the clock who does not offer the service, or is not active."""
        outsider = CreateStaff(name="Outsider", timezone="UTC", is_active=restricted)
        [one] = await self.bookings.staff.create([outsider])
        hours = weekly("00:00", "24:00")
        await self.bookings.availability_rules.create([replace(rule, staff_id=one.id) for rule in hours])
        if restricted:
            await self.bookings.set_service_staff(self.service.id, staff_ids)

    async def _book(self, staff_id: str, member: Member) -> None:
        """Make a hold that has run out, and over it and elsewhere the live bookings, every other one confirmed."""
        noon = datetime.combine(self.scenario.day, datetime.min.time(), UTC) + timedelta(hours=12)
        self._clock.at -= EXPIRED
        await self._hold(staff_id, replace(self.service, duration_minutes=300, buffer_minutes=0), noon)
        self._clock.at += EXPIRED
        for number, booked in enumerate(member.booked):
            length = replace(
                self.service, duration_minutes=booked.duration_minutes, buffer_minutes=booked.buffer_minutes
            )
            booking_id = await self._hold(staff_id, length, booked.start_at)
            if number % 2:
                await self.bookings.confirm(booking_id, PaymentMode.PAY_IN_STORE)

    async def _hold(self, staff_id: str, service: Service, start_at: datetime) -> str:
        hold = NewHold(service=service, staff_ids=[staff_id], start_at=start_at, customer_email="guest@example.com")
        return (await self.bookings.create_held(hold)).id

    async def slots(self) -> list[oracle.Offer]:
        """Return the offer."""
        query = SlotQuery(
            service_id=self.service.id,
            date=self.scenario.day,
            days=self.scenario.days,
            timezone=self.scenario.timezone,
        )
        return [offer_of(slot) for slot in await self.bookings.slots(query)]

    async def takers(self, start_at: datetime) -> list[str]:
        """Return who can take a start."""
        return sorted(await self.bookings.free_staff(self.service, start_at))

    async def refused(self, start_at: datetime, staff_id: str) -> type[HoldfastError] | None:
        """Return why a staff member cannot take a start, None for one who can."""
        try:
            await self.bookings.free_staff(self.service, start_at, staff_id)
        except HoldfastError as refused:
            return type(refused)
        return None

    async def can_hold(self, start_at: datetime, staff_id: str) -> bool:
        """Hold a start with a staff member, and undo it."""
        try:
            await self._hold(staff_id, self.service, start_at)
        except SlotUnavailable:
            return False
        finally:
            await self._transaction.sql("ROLLBACK TO SAVEPOINT opened")
        return True

    def other_starts(
        self, people: list[oracle.Person], offers: list[oracle.Offer]
    ) -> list[tuple[datetime, oracle.Person]]:
        """Sample starts that somebody is not offered at, on the dates of the question and on or off the grid."""
        offered = {(offer.start_at, staff_id) for offer in offers for staff_id in offer.staff_ids}
        dice, found = random.Random(len(offers)), list[tuple[datetime, oracle.Person]]()
        while len(found) < OTHERS:
            person = dice.choice(people)
            start_at = self._any_start(dice, ZoneInfo(self.scenario.timezone or person.timezone))
            if (start_at.isoformat(), person.id) not in offered:
                found.append((start_at, person))
        return found

    def _any_start(self, dice: random.Random, zone: ZoneInfo) -> datetime:
        days = [self.scenario.day + timedelta(days=number) for number in range(self.scenario.days)]
        while True:
            start_at = datetime.combine(dice.choice(days), datetime.min.time(), UTC) + GRID * dice.randrange(-96, 192)
            start_at += timedelta(minutes=dice.choice([0] * 19 + [7]))
            if start_at.astimezone(zone).date() in days:
                return start_at

    def refusal(self, start_at: datetime) -> type[HoldfastError]:
        """Say how a start that is not offered has to be refused."""
        earliest = self.scenario.now + timedelta(minutes=self.service.min_notice_minutes)
        latest = self.scenario.now + timedelta(days=self.service.max_days_ahead)
        if start_at.minute % 15:
            return OffGrid
        if start_at < self.scenario.now:
            return InPast
        if start_at < earliest:
            return TooSoon
        return TooFarAhead if start_at > latest else SlotUnavailable


@pytest.fixture
def runner() -> Generator[asyncio.Runner]:
    """Runs coroutines one after the other in a loop of its own: examples are not coroutines."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


def test_offers_what_the_oracle_finds_and_that_alone_can_be_held(
    database_url: str, shop_config: Config, runner: asyncio.Runner
) -> None:
    application, clock = Application.load(config_on(database_url, shop_config)), Stopped()
    application.container.clock = clock

    async def check(scenario: Scenario) -> bool:
        async with application.scope() as scope, scope.transaction() as transaction:
            await transaction.sql("SAVEPOINT nothing")
            found = await check_in_transaction(Shop(scope, transaction, clock, scenario))
            await transaction.sql("ROLLBACK TO SAVEPOINT nothing")
        return found

    try:
        run_examples(lambda scenario: runner.run(check(scenario)))
    finally:
        runner.run(application.database.dispose())


async def check_in_transaction(shop: Shop) -> bool:
    people = await shop.open()
    question = question_of(shop.scenario)
    expected = oracle.offers(people, question)
    assert await shop.slots() == expected
    for number, offer in enumerate(expected):
        start_at, free = datetime.fromisoformat(offer.start_at), offer.staff_ids
        if free:
            takers = await shop.takers(start_at)
            # Staff elsewhere may be free too, on a date of their own that was not asked for.
            assert takers == free or (shop.scenario.timezone is None and set(free) < set(takers))
            assert await shop.can_hold(start_at, free[number % len(free)])
    for start_at, person in shop.other_starts(people, expected):
        refusal = shop.refusal(start_at)
        assert await shop.refused(start_at, person.id) is refusal
        if refusal is not OffGrid:  # past hours and horizon the claims alone decide
            assert await shop.can_hold(start_at, person.id) is oracle.is_free(person, start_at, question)
    return any(offer.available for offer in expected)
