"""A scheduler goes on whatever goes wrong, and never by a clock that nobody has set."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime, timedelta

import psycopg
import pytest
from structlog.testing import capture_logs

from core.app import Application
from core.config import Config, Database, Engine
from core.job import Jobs, Tick, job
from core.scheduler import Scheduler
from core.testing import move_clock
from core.workflow import StepContext, step

HOUR = timedelta(hours=1)


class ZoneInfoGone(Exception):
    """Nobody thought of it."""


@step("do-nothing")
async def do_nothing(ctx: StepContext) -> None: ...


@job("every-minute", cron="* * * * *")
async def every_minute(tick: Tick) -> None:
    await do_nothing()


@pytest.fixture
def app(core_database_url: str) -> Application:
    clockwork = Engine(beat_seconds=0.05, lease_seconds=5)
    config = Config(database=Database(url=core_database_url, lock_timeout_seconds=0.1), engine=clockwork)
    return Application(config, modules=[], workflows=[every_minute])


@contextmanager
def without(app: Application, table: str) -> Generator[None]:
    """Take a table away for the length of a block."""
    with psycopg.connect(app.config.database.url, autocommit=True) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME TO away".encode())
        try:
            yield
        finally:
            connection.execute(f"ALTER TABLE away RENAME TO {table}".encode())


def ticks(app: Application) -> list[datetime]:
    """The times for which runs were started."""
    with psycopg.connect(app.config.database.url) as connection:
        rows = connection.execute("SELECT (input ->> 'scheduled_at')::timestamptz FROM workflow_run").fetchall()
    return [at for (at,) in rows]


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not done():  # noqa: ASYNC110, others' work
            await asyncio.sleep(0.01)


async def test_goes_on_after_it_could_not_tell_when_the_next_tick_comes(app: Application):
    calls = 0

    class Faltering(Jobs):
        def following(self) -> datetime | None:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise ZoneInfoGone
            return super().following()

    app.container.override(Jobs, Faltering)
    async with app.running(sweeping=False), Scheduler(app.container).running():
        with capture_logs() as logs:
            await until(lambda: calls > 3)
    assert [log["error"] for log in logs if log["event"] == "schedule_failed"] == ["ZoneInfoGone()"]


async def test_starts_no_tick_by_the_clock_of_its_machine(app: Application):
    async with app.running(sweeping=False):
        await move_clock(app, -HOUR)
        await Scheduler(app.container).look()
    late = Application(app.config, modules=[], workflows=[every_minute])
    with capture_logs() as logs:
        async with AsyncExitStack() as stack:
            with psycopg.connect(app.config.database.url) as other:
                # Processes that ask for the time say at the same time that they live.
                other.execute("LOCK TABLE workflow_process IN SHARE MODE")
                await stack.enter_async_context(late.running(sweeping=False))
                await stack.enter_async_context(Scheduler(late.container).running())
                await until(lambda: [log["event"] for log in logs].count("beat_missed") > 1)
                assert ticks(app) == []
            await move_clock(late, timedelta(minutes=1))
            await until(lambda: ticks(app) != [])
            now = late.clock.now()
    assert [now - tick < timedelta(minutes=1) for tick in ticks(app)] == [True]


async def test_is_late_while_it_cannot_look(app: Application):
    scheduler = Scheduler(app.container)
    async with app.running(sweeping=False), scheduler.running():
        assert not scheduler.is_late
        with without(app, "scheduled_job"):
            await until(lambda: scheduler.is_late)
        await until(lambda: not scheduler.is_late)
