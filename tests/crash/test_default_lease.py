"""With the beat and the lease that the configuration has by default, a killed process is taken over as well."""

import asyncio
import time
from pathlib import Path

import psycopg

from core.config import Engine

from .check import check, left
from .outside import outside, read
from .test_kills import unfinished, until_busy
from .worker import Task, application, start

BEAT_SECONDS, LEASE_SECONDS = Engine().beat_seconds, Engine().lease_seconds


async def test_a_killed_process_is_taken_over_one_lease_later(url: str, tmp_path: Path):
    notes = tmp_path / "notes"
    with outside(notes) as port, psycopg.connect(url, autocommit=True) as connection:
        worker = start(Task(url, port, beat=BEAT_SECONDS, lease=LEASE_SECONDS))
        until_busy(connection, worker)
        time.sleep(0.5)  # noqa: ASYNC251, nothing else runs here yet
        worker.kill()
        worker.join()
        lost = unfinished(connection, worker.pid or 0)
        assert lost
        async with application(url, port, beat=BEAT_SECONDS, lease=LEASE_SECONDS).running():
            async with asyncio.timeout(LEASE_SECONDS + 2 * BEAT_SECONDS + 10):
                while await asyncio.to_thread(left, url):  # noqa: ASYNC110, rows
                    await asyncio.sleep(0.1)
        [(taken,)] = connection.execute("SELECT count(*) FROM workflow_run WHERE takeovers = 1").fetchall()
    assert taken == len(lost)
    check(url, read(notes))
