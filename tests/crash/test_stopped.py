"""A process that stands still for longer than its lease is fenced when it goes on: nothing happens twice."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from .check import check, left
from .outside import outside, read
from .worker import LEASE_SECONDS, Task, start

PATIENCE_SECONDS = 60

OPEN = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"""
OWNED = """
SELECT run.id FROM workflow_run AS run JOIN workflow_process AS process ON process.id = run.owner
WHERE process.pid = %s AND run.status IN ('running', 'compensating') AND epoch = 0"""
TAKEN = "SELECT count(*) FROM workflow_run WHERE id = ANY(%s) AND epoch > 0"


@pytest.mark.parametrize("where", ["inside an external call", "inside an open transaction"])
def test_a_process_that_sleeps_past_its_lease_has_no_second_effect(url: str, tmp_path: Path, where: str):
    notes = tmp_path / "notes"
    with outside(notes) as port, psycopg.connect(url, autocommit=True) as connection:
        sleeper = start(Task(url, port))
        pid = sleeper.pid or 0
        until(lambda: len(owned(connection, pid)) > 8)
        stop_when(pid, lambda: is_at(where, connection, notes))
        stopped = owned(connection, pid)
        assert stopped
        other = start(Task(url, port))
        # The server ends the sleeper's transactions, the other process takes its runs over.
        until(lambda: count(connection, TAKEN, stopped) == len(stopped))
        time.sleep(LEASE_SECONDS)
        os.kill(pid, signal.SIGCONT)
        time.sleep(LEASE_SECONDS)
        for worker in (sleeper, other):
            worker.terminate()
        for worker in (sleeper, other):
            worker.join(PATIENCE_SECONDS)
            assert worker.exitcode == 0
        survivor = start(Task(url, port))
        until(lambda: left(url) > 0)
        survivor.terminate()
        survivor.join(PATIENCE_SECONDS)
        until(lambda: left(url) == 0)
    check(url, read(notes))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def owned(connection: psycopg.Connection, pid: int) -> list[str]:
    return [id for (id,) in connection.execute(OWNED, (pid,)).fetchall()]


def count(connection: psycopg.Connection, query: LiteralString, ids: list[str]) -> int:
    return connection.execute(query, (ids,)).fetchall()[0][0]


def is_at(where: str, connection: psycopg.Connection, notes: Path) -> bool:
    if where == "inside an open transaction":
        return connection.execute(OPEN).fetchall() != [(0,)]
    said = read(notes)
    return bool({token for verb, token in said if verb == "do"} - {token for verb, token in said if verb == "done"})


def stop_when(pid: int, condition: Callable[[], bool]) -> None:
    """Stop the process; let it go and stop it again until it stands where it should."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        os.kill(pid, signal.SIGSTOP)
        if condition():
            return
        os.kill(pid, signal.SIGCONT)
        assert time.monotonic() < deadline
        time.sleep(0.01)
