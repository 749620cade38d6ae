"""Processes that are killed at any moment lose nothing and do nothing twice."""

import asyncio
import os
import random
import time
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path

import psycopg

from .check import check
from .outside import outside, read
from .sagas import SAGAS
from .worker import Task, drain, start

KILLS = 300 if os.environ.get("HOLDFAST_SOAK") else 20
WORKERS = 3
PATIENCE_SECONDS = 90


def unfinished(connection: "psycopg.Connection", pid: int) -> list[tuple[str, str, bool]]:
    """Workflow, status and whether an external call is out, of each run that a process drives."""
    rows = connection.execute(
        """
        SELECT workflow, status, EXISTS (
            SELECT FROM workflow_step AS begun
            WHERE begun.run_id = run.id AND begun.path LIKE '%%:begun' AND NOT EXISTS (
                SELECT FROM workflow_step AS done
                WHERE done.run_id = run.id AND done.path = replace(begun.path, ':begun', '')))
        FROM workflow_run AS run JOIN workflow_process AS process ON process.id = run.owner
        WHERE process.pid = %s AND run.status IN ('running', 'compensating')""",
        (pid,),
    ).fetchall()
    connection.commit()
    return [(workflow, status, out) for workflow, status, out in rows]


def until_busy(connection: "psycopg.Connection", worker: BaseProcess) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not unfinished(connection, worker.pid or 0):
        assert time.monotonic() < deadline, "a worker does not work"
        time.sleep(0.02)


def test_nothing_is_lost_or_done_twice_however_often_processes_are_killed(url: str, tmp_path: Path):
    notes = tmp_path / "notes"
    found: Counter[str] = Counter()
    with outside(notes) as port, psycopg.connect(url) as connection:
        workers = [start(Task(url, port)) for _ in range(WORKERS)]
        for number in range(KILLS):
            worker = workers[number % WORKERS]
            until_busy(connection, worker)
            time.sleep(random.uniform(0, 0.3))
            worker.kill()
            worker.join()
            lost = unfinished(connection, worker.pid or 0)
            assert lost, "the kill hit nothing"
            found.update(["compensating" for _, status, _ in lost if status == "compensating"])
            found.update(["calling" for _, _, out in lost if out])
            workers[number % WORKERS] = start(Task(url, port))
        for worker in workers:
            until_busy(connection, worker)
            worker.terminate()
        for worker in workers:
            worker.join(PATIENCE_SECONDS)
        asyncio.run(drain(url, port))
        taken = dict(
            connection.execute("SELECT workflow, count(*) FROM workflow_run WHERE epoch > 0 GROUP BY 1").fetchall()
        )
    said = read(notes)
    check(url, said)
    entered = Counter(token for verb, token in said if verb == "enter")
    assert found["compensating"] > 0
    assert found["calling"] > 0
    assert any(times > 1 for times in entered.values()), "no kill hit an open step"
    assert {saga.id for saga in SAGAS if taken.get(saga.id, 0) >= 5} == {saga.id for saga in SAGAS}
