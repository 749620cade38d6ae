"""Several `holdfast scheduler` on one database: each tick is one run, whoever sees it first."""

import asyncio
import re
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from core.app import Application
from core.config import Config
from core.job import tick_key
from core.testing import config_on

from .host import Host, Program

SCHEDULERS = 3
NIGHTS = 200
JUMP = 10
JOB = "check-integrity"
DAY = timedelta(days=1)
PATIENCE_SECONDS = 20
SCHEDULING = re.compile("^scheduling$", re.MULTILINE)
STARTED = re.compile(rf'"job":"{JOB}".*"event":"tick_started"')
# As fast as a machine of two cores bears. No Redis: the test itself drives what is started.
SETTINGS: dict[str, Any] = {"HOLDFAST_ENGINE_BEAT_SECONDS": "0.02", "HOLDFAST_SHOP_TIMEZONE": "UTC", "REDIS_URL": ""}
MOVE = """
INSERT INTO clock_offset (moved_by) VALUES (%s)
ON CONFLICT (only_row) DO UPDATE SET moved_by = clock_offset.moved_by + excluded.moved_by"""
KNOW_THE_TIME = "SELECT count(*) FROM workflow_process WHERE pid = ANY(%s) AND clock_offset = current_clock_offset()"
KNOWN = "SELECT count(*) FROM scheduled_job WHERE id = %s"
RUNS = "SELECT key, id FROM workflow_run WHERE workflow = %s ORDER BY key"

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def connection(url: str) -> Generator[Connection]:
    """A connection to a database whose clock stands at noon: no night begins by itself."""
    now = datetime.now(UTC)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(MOVE, [now.replace(hour=12, minute=0) - now])
        yield connection


async def until(connection: Connection, query: str, value: object, count: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while connection.execute(query.encode(), [value]).fetchall() != [(count,)]:  # noqa: ASYNC110, rows
            await asyncio.sleep(0.005)


async def go_by(connection: Connection, days: int, schedulers: list[Program]) -> None:
    """Let days go by at once; return when all schedulers know of it."""
    connection.execute(MOVE, [days * DAY])
    await until(connection, KNOW_THE_TIME, [each.process.pid for each in schedulers], SCHEDULERS)


async def the_next_run(connection: Connection, known: int) -> list[tuple[str, str]]:
    """Return all runs, once there are more than `known`."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(runs := connection.execute(RUNS, [JOB]).fetchall()) <= known:  # noqa: ASYNC110, rows
            await asyncio.sleep(0.005)
    return runs


async def test_three_schedulers_start_each_of_200_ticks_once_and_one_for_a_jump(
    host: Host, url: str, connection: Connection, shop_config: Config
) -> None:
    schedulers = [host.start("scheduler", **SETTINGS) for _ in range(SCHEDULERS)]
    for each in schedulers:
        each.until_it_says(SCHEDULING)
    await until(connection, KNOWN, JOB, 1)
    app = Application.load(config_on(url, shop_config))
    runs: list[tuple[str, str]] = []
    async with app.running(sweeping=False):
        for days in [1] * NIGHTS + [JUMP, 1]:
            await go_by(connection, days, schedulers)
            runs = await the_next_run(connection, len(runs))
            assert await app.workflows.drive(runs[-1][1])
    first = datetime.fromisoformat(runs[0][0])
    nights = [*range(NIGHTS), NIGHTS - 1 + JUMP, NIGHTS + JUMP]
    assert [key for key, _ in runs] == [tick_key(first + night * DAY) for night in nights]

    assert [each.ends() for each in schedulers] == [0] * SCHEDULERS
    started = [len(STARTED.findall(each.said)) for each in schedulers]
    assert (sum(started), min(started) > 0) == (len(runs), True)
