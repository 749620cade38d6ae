"""Milestone 1: the booking module stands."""

import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import httpx
import psycopg
import pytest

from core.container import Scope
from core.testing import ServerProcess
from modules.booking import (
    BookingService,
    BookingStatus,
    CreateAvailabilityRule,
    CreateBooking,
    CreateService,
    CreateStaff,
)

from .suite import flaws, seed_ids

HAIRCUT = CreateService(name="Haircut", duration_minutes=30, price=2500)
TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename = ANY(%s)"
WANTED = ["booking", "booking_service", "booking_staff", "booking_availability_rule", "slot_claim"]


@pytest.fixture
def bookings(scope: Scope) -> BookingService:
    return scope.resolve(BookingService)


def test_m1_t1_the_module_loads_without_errors(database_url: str, pytestconfig: pytest.Config) -> None:
    with ServerProcess(database_url, folder=pytestconfig.rootpath) as server:
        assert httpx.get(f"{server.base_url}/health").json() == {"status": "ok"}
        assert httpx.get(f"{server.base_url}/ready").json()["migrations"] == "ok"
        assert httpx.get(f"{server.base_url}/store/bookings/services").json() == {"services": []}
        assert "error" not in server.log


def test_m1_t2_migrations_run(empty_database_url: str, pytestconfig: pytest.Config) -> None:
    def migrate(*options: str) -> int:
        command = [str(Path(sys.executable).with_name("holdfast")), "migrate", *options]
        environ = {"DATABASE_URL": empty_database_url}
        return subprocess.run(command, cwd=pytestconfig.rootpath, env=environ, check=False).returncode

    assert migrate("--check") == 1
    assert migrate() == 0
    assert migrate("--check") == 0
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute(TABLES, [WANTED]).fetchone() == (len(WANTED),)


async def test_m1_t3_creates_a_service(scope: Scope, bookings: BookingService) -> None:
    async with scope.transaction():
        [service] = await bookings.services.create([HAIRCUT])
    assert service.id.startswith("bksvc_")
    assert (service.name, service.duration_minutes, service.price) == ("Haircut", 30, 2500)
    assert await bookings.services.retrieve(service.id) == service


async def test_m1_t4_creates_a_staff_member(scope: Scope, bookings: BookingService) -> None:
    async with scope.transaction():
        [john] = await bookings.staff.create([CreateStaff(name="John")])
    assert john.id.startswith("bkstf_")
    assert (john.name, john.is_active) == ("John", True)
    assert (await bookings.staff.retrieve(john.id)).name == "John"


async def test_m1_t5_creates_a_booking(scope: Scope, bookings: BookingService) -> None:
    start = datetime.combine(scope.clock.now().date() + timedelta(days=1), time(10), UTC)
    async with scope.transaction():
        [service], [john] = (
            await bookings.services.create([HAIRCUT]),
            await bookings.staff.create([CreateStaff(name="John")]),
        )
        wanted = CreateBooking(
            staff_id=john.id, service_id=service.id, start_at=start, end_at=start + timedelta(minutes=30)
        )
        [booking] = await bookings.create_bookings([wanted])
    assert booking.id.startswith("book_")
    found = await bookings.get_booking(booking.id)
    assert (found.status, found.staff_id, found.service_id) == (BookingStatus.HELD, john.id, service.id)
    assert (found.start_at, found.end_at) == (wanted.start_at, wanted.end_at)
    assert (found.service_name, found.price_amount, found.currency_code) == ("Haircut", 2500, "usd")


async def test_m1_t6_staff_are_read_with_their_availability_rules(scope: Scope, bookings: BookingService) -> None:
    async with scope.transaction():
        john, jane = await bookings.staff.create([CreateStaff(name="John"), CreateStaff(name="Jane")])
        rules = await bookings.availability_rules.create(
            [CreateAvailabilityRule(staff_id=john.id, day_of_week=0, start_time="09:00", end_time="17:00")]
        )
    found = await bookings.staff.list({"id": [john.id, jane.id]}, relations=["availability_rules"], order={"id": "asc"})
    assert [staff.availability_rules for staff in found] == [rules, []]


def test_m1_t7_the_suite_of_the_module_is_whole(pytestconfig: pytest.Config) -> None:
    suite = ["tests/modules/booking", "tests/acceptance/test_m1.py"]
    assert flaws(pytestconfig.rootpath, suite, seed_ids(1, 7)) == []
