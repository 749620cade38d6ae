import subprocess
import sys
from datetime import timedelta

import psycopg

from core.testing import application_on, move_clock


async def test_moves_the_clock_of_an_open_application_at_once(core_database_url: str):
    async with application_on(core_database_url).running() as app:
        before = app.clock.now()

        await move_clock(app, timedelta(hours=2))
        await move_clock(app, timedelta(hours=1))

        moved = app.clock.now() - before
        assert timedelta(hours=2, minutes=59) < moved < timedelta(hours=3, minutes=1)


async def test_moves_the_clock_of_other_processes_through_the_database(core_database_url: str):
    async with application_on(core_database_url).running() as one, application_on(core_database_url).running() as other:
        before = other.clock.now()

        await move_clock(core_database_url, timedelta(days=-1))

        for app in (one, other):
            moved = app.clock.now() - before
            assert timedelta(hours=-24, minutes=-1) < moved < timedelta(hours=-23, minutes=-59)


async def test_does_not_wait_for_a_process_that_was_killed(core_database_url: str):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    async with application_on(core_database_url).running() as app:
        with psycopg.connect(core_database_url) as connection:
            connection.execute(
                "INSERT INTO workflow_process SELECT 'proc_dead', host, %s, started_at, beat_at, clock_offset"
                " FROM workflow_process",
                [dead.pid],
            )

        await move_clock(app, timedelta(hours=2))
