"""While processes with the next version of the code come up, and those with the last one go, each drives its own."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import LiteralString

import psycopg

from .check import check
from .outside import outside, read
from .test_kills import until_busy
from .worker import LEASE_SECONDS, Task, drain, start

PATIENCE_SECONDS = 60

LEFT: LiteralString = """
SELECT count(*) FROM workflow_run AS run
WHERE version = %s AND status = 'running' AND owner NOT IN (
    SELECT id FROM workflow_process WHERE beat_at > clock_timestamp() - make_interval(secs => %s))"""
TAKEN: LiteralString = "SELECT version, sum(takeovers) FROM workflow_run GROUP BY 1"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_two_versions_live_side_by_side_and_each_run_stays_with_its_own(url: str, tmp_path: Path):
    notes = tmp_path / "notes"
    with outside(notes) as port, psycopg.connect(url, autocommit=True) as connection:

        def lost(version: int) -> int:
            return connection.execute(LEFT, (version, LEASE_SECONDS)).fetchall()[0][0]

        def taken() -> dict[int, int]:
            return dict(connection.execute(TAKEN).fetchall())

        old = [start(Task(url, port)) for _ in range(2)]
        new = [start(Task(url, port, code="next"))]
        for worker in [*old, *new]:
            until_busy(connection, worker)
        new.append(start(Task(url, port, code="next")))
        for dying in (old[0], new[0]):
            until_busy(connection, dying)
            dying.kill()
            dying.join()
        until(lambda: min(taken().values()) > 0)
        # The last one with the old code goes: what it leaves is not touched by those who do not know it.
        until_busy(connection, old[1])
        old[1].kill()
        old[1].join()
        until(lambda: lost(1) > 0)
        time.sleep(LEASE_SECONDS)
        assert lost(1) > 0
        until_busy(connection, new[1])
        new[1].terminate()
        new[1].join(PATIENCE_SECONDS)
        asyncio.run(drain(url, port, code="both"))
    check(url, read(notes))
