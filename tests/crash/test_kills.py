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
from .sagas import KINDS, SAGAS, Order
from .worker import Task, application, drain, start

KILLS = 300 if os.environ.get("HOLDFAST_SOAK") else 20
WORKERS = 3
PATIENCE_SECONDS = 90
ASKED_AGAIN = 50

UNFINISHED = """
SELECT run.id, run.status FROM workflow_run AS run JOIN workflow_process AS process ON process.id = run.owner
WHERE process.pid = %s AND run.status IN ('running', 'compensating')"""
TAKEN_OVER = "SELECT workflow, key IS NOT NULL, sum(takeovers)::int FROM workflow_run GROUP BY 1, 2"
KEYED = """
SELECT id, workflow, key, (input ->> 'number')::int, result::text FROM workflow_run
WHERE key IS NOT NULL AND status = 'done' ORDER BY takeovers DESC LIMIT %s"""


def unfinished(connection: "psycopg.Connection", pid: int) -> dict[str, str]:
    """The state of each run that a process drives."""
    return dict(connection.execute(UNFINISHED, (pid,)).fetchall())


def until_busy(connection: "psycopg.Connection", worker: BaseProcess, *states: str) -> None:
    """Wait until a worker drives a run, in one of these states if any are given."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not {*unfinished(connection, worker.pid or 0).values()} & {*(states or ("running", "compensating"))}:
        assert time.monotonic() < deadline, "a worker does not work"
        time.sleep(0.02)


def where(lost: dict[str, str], said: list[tuple[str, str]]) -> set[str]:
    """In the middle of what a kill hit these runs, each in its state."""
    last = {token: verb for verb, token in said if token.split(":")[0] in lost}
    found: set[str] = set()
    for id, status in lost.items():
        verbs = {verb for token, verb in last.items() if token.startswith(f"{id}:")}
        if status == "compensating":
            found.add("while compensating")
        elif "enter" in verbs:
            found.add("in an open step")
        elif "do" in verbs:
            found.add("inside an external call")
        else:
            found.add("between steps")
    return found


def test_nothing_is_lost_or_done_twice_however_often_processes_are_killed(url: str, tmp_path: Path):
    notes = tmp_path / "notes"
    hit: Counter[str] = Counter()
    with outside(notes) as port, psycopg.connect(url, autocommit=True) as connection:
        workers = [start(Task(url, port)) for _ in range(WORKERS)]
        for number in range(KILLS):
            worker = workers[number % WORKERS]
            # On a slow machine a worker is long busy before it comes to a compensation.
            until_busy(connection, worker, *(["compensating"] if number % 4 == 3 else []))
            time.sleep(random.uniform(0, 0.3 if number % 4 < 3 else 0.02))
            worker.kill()
            worker.join()
            lost = unfinished(connection, worker.pid or 0)
            assert lost, "the kill left no run unfinished"
            hit.update(where(lost, read(notes)))
            workers[number % WORKERS] = start(Task(url, port))
        for worker in workers:
            until_busy(connection, worker)
            worker.terminate()
        for worker in workers:
            worker.join(PATIENCE_SECONDS)
        # Each kill may leave as many runs as are claimed at once.
        asyncio.run(drain(url, port, patience=PATIENCE_SECONDS + KILLS))
        asyncio.run(ask_again(connection, url, port))
        check_taken_over(connection)
    check(url, read(notes))
    assert {*hit} == {"in an open step", "between steps", "inside an external call", "while compensating"}


def check_taken_over(connection: "psycopg.Connection") -> None:
    taken: Counter[str] = Counter()
    for workflow, keyed, times in connection.execute(TAKEN_OVER).fetchall():
        taken.update({kind: times for kind, sagas in KINDS.items() if workflow in sagas})
        taken.update({"keyed": times} if keyed else {})
    assert {kind: times for kind, times in taken.items() if times >= 5}.keys() == {*KINDS, "keyed"}, taken


async def ask_again(connection: "psycopg.Connection", url: str, port: int) -> None:
    """Ask with the keys of runs that were taken over: the answer is the stored one, and nothing is done again."""
    sagas = {saga.id: saga for saga in SAGAS}
    async with application(url, port).running() as app, app.scope() as scope:
        for id, workflow, key, number, result in connection.execute(KEYED, (ASKED_AGAIN,)).fetchall():
            answer = await sagas[workflow].run(scope, Order(number), key=key)
            assert scope.replayed, id
            assert str(answer) == result, id
