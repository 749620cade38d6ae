"""Where a race is run: a database of its own, watched, a server on it, and a shop in it."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
from msgspec import Struct

from core.app import Application
from core.config import Config
from core.testing import ServerProcess, config_on
from modules.booking import BookingService, CreateAvailabilityRule, CreateService, CreateStaff, RuleType

from .server import PROGRAM, SERVICE
from .services import WithoutClaims
from .witness import Witness

WORKERS = 2
HOLDFAST = "core.cli"
LENGTHS = [(30, 0), (45, 15), (60, 0), (20, 5), (90, 10)]
"""Duration and buffer of each service in minutes."""


class Shop(Struct, frozen=True):
    """Whom and what to book."""

    staff: list[str]
    services: list[str]
    day: date

    def at(self, quarter: int, day: int = 0) -> datetime:
        """Return the instant of a quarter hour of the first day, or of one that many days later."""
        return datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC) + timedelta(
            days=day, minutes=15 * quarter
        )


class Course(Struct, frozen=True):
    """A race's surroundings."""

    url: str
    config: Config
    root: Path
    witness: Witness
    failures: list[str]
    """What servers have logged of answers of 500."""

    @asynccontextmanager
    async def served(self, service: type[BookingService] | None = None) -> AsyncGenerator[ServerProcess]:
        """Serve by several processes, with another booking service if one is given."""
        program = PROGRAM if service else HOLDFAST
        environ = {SERVICE: service.__name__} if service else {}
        if service and issubclass(service, WithoutClaims):
            self.witness.look_away()
        with ServerProcess(self.url, workers=WORKERS, folder=self.root, environ=environ, program=program) as server:
            yield server
            self.failures.extend(line for line in server.log.splitlines() if '"status":500' in line)

    @asynccontextmanager
    async def application(self) -> AsyncGenerator[Application]:
        """Open an application on the same database."""
        application = Application.load(config_on(self.url, self.config))
        async with application.running():
            yield application

    async def open_shop(self, days: int = 1) -> Shop:
        """Let two staff members work around the clock for some days."""
        day = datetime.now(UTC).date() + timedelta(days=3)
        async with self.application() as application, application.scope() as scope, scope.transaction():
            bookings = scope.resolve(BookingService)
            staff = await bookings.staff.create([CreateStaff(name=name, timezone="UTC") for name in ("Ann", "Bob")])
            services = await bookings.services.create(
                [
                    CreateService(name=f"{length} minutes", price=2500, duration_minutes=length, buffer_minutes=buffer)
                    for length, buffer in LENGTHS
                ]
            )
            await bookings.availability_rules.create(
                [
                    CreateAvailabilityRule(
                        staff_id=one.id,
                        rule_type=RuleType.EXCEPTION,
                        specific_date=day + timedelta(days=number),
                        start_time="00:00",
                        end_time="24:00",
                    )
                    for one in staff
                    for number in range(days)
                ]
            )
        return Shop([one.id for one in staff], [one.id for one in services], day)

    def integrity(self) -> dict[str, str]:
        """Return what `holdfast doctor --integrity` finds about the bookings, by check."""
        done = subprocess.run(
            [sys.executable, "-m", "core.cli", "doctor", "--integrity", "--json"],
            cwd=self.root,
            env={**os.environ, "DATABASE_URL": self.url, "HOLDFAST_SECRET": "signs what the race makes, and no more"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout, done.stderr
        findings = {one["name"]: one["level"] for one in json.loads(done.stdout)}
        assert done.returncode == ("fail" in findings.values())
        return {name: level for name, level in findings.items() if name.startswith("booking: ")}


def open_course(url: str, config: Config, root: Path, connection: psycopg.Connection) -> Course:
    """Watch a database."""
    witness = Witness(connection)
    witness.watch()
    return Course(url, config, root, witness, [])
