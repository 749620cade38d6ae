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

VERBS = {"inside an external call": ("do", "done"), "inside an open transaction": ("enter", "leave")}

OPEN = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"""
OWNED = """
SELECT run.id FROM workflow_run AS run JOIN workflow_process AS process ON process.id = run.owner
WHERE process.pid = %s AND run.status IN ('running', 'compensating') AND takeovers = 0"""
TAKEN = "SELECT count(*) FROM workflow_run WHERE id = ANY(%s) AND takeovers > 0"


@pytest.mark.parametrize("where", VERBS)
def test_a_process_that_sleeps_past_its_lease_has_no_second_effect(url: str, tmp_path: Path, where: str):
    notes = tmp_path / "notes"
    with outside(notes) as port, psycopg.connect(url, autocommit=True) as connection:
        sleeper = start(Task(url, port))
        pid = sleeper.pid or 0
        until(lambda: len(owned(connection, pid)) > 8)
        stop_when(pid, lambda: is_at(where, connection, notes, pid))
        stopped = owned(connection, pid)
        inside = under_way(where, notes, stopped)
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
    said = read(notes)
    check(url, said)
    # The other process was there as well: had the sleeper not been fenced, there would be two effects.
    assert {token for token in inside if said.count((VERBS[where][0], token)) > 1}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def owned(connection: psycopg.Connection, pid: int) -> list[str]:
    return [id for (id,) in connection.execute(OWNED, (pid,)).fetchall()]


def count(connection: psycopg.Connection, query: LiteralString, ids: list[str]) -> int:
    return connection.execute(query, (ids,)).fetchall()[0][0]


def under_way(where: str, notes: Path, runs: list[str]) -> set[str]:
    """The tokens of what has begun there and not ended, in these runs."""
    last = {token: verb for verb, token in read(notes)}
    return {token for token, verb in last.items() if verb == VERBS[where][0] and token.split(":")[0] in runs}


def is_at(where: str, connection: psycopg.Connection, notes: Path, pid: int) -> bool:
    if where == "inside an open transaction" and connection.execute(OPEN).fetchall() == [(0,)]:
        return False
    return bool(under_way(where, notes, owned(connection, pid)))


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
