"""PostgreSQL ends under load, in order and at once, and is started again: every run comes to its end."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Generator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from core.db.branch import branches
from core.db.embedded import EmbeddedPostgres
from core.testing import DatabaseServer

from .check import check
from .outside import outside, read
from .sagas import TABLES
from .test_kills import until_busy
from .worker import Task, drain, start

PATIENCE_SECONDS = 60
AWAY_SECONDS = 0.5
WELL = 0.5
"""The share of sagas that end as planned although steps in the middle of a statement lose their database."""


@pytest.fixture
def postgres(tmp_path: Path) -> Generator[EmbeddedPostgres]:
    """A PostgreSQL of the test's own, always on the same port."""
    postgres = EmbeddedPostgres(tmp_path, fsync=False)
    port = make_url(postgres.start()).port
    assert port is not None
    postgres.pick_port = lambda: port
    yield postgres
    postgres.remove()


def stop(postgres: EmbeddedPostgres) -> None:
    """Let it end in order, cutting off everybody."""
    postgres.stop()


def crash(postgres: EmbeddedPostgres) -> None:
    """Let it end at once, with no word to anybody."""
    pid = int((postgres.data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGQUIT)
    postgres.launched[-1].wait()


def make_database(postgres: EmbeddedPostgres, folder: Path) -> str:
    """Make a database in which a commit outlives its process."""
    url = DatabaseServer(postgres.start(), folder=folder).create(branches([])).url
    with psycopg.connect(url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = on").format(name))
        connection.execute(TABLES)
    return url


@pytest.mark.parametrize("ending", [stop, crash])
def test_every_run_ends_although_postgresql_is_restarted_under_load(
    postgres: EmbeddedPostgres, tmp_path: Path, ending: Callable[[EmbeddedPostgres], None]
):
    url = make_database(postgres, tmp_path)
    notes = tmp_path / "notes"
    with outside(notes) as port:
        workers = [start(Task(url, port)) for _ in range(2)]
        for _ in range(2):
            with psycopg.connect(url, autocommit=True) as connection:
                for worker in workers:
                    until_busy(connection, worker)
            ending(postgres)
            time.sleep(AWAY_SECONDS)
            postgres.start()
        with psycopg.connect(url, autocommit=True) as connection:
            for worker in workers:
                until_busy(connection, worker)
                worker.terminate()
        for worker in workers:
            worker.join(PATIENCE_SECONDS)
            assert worker.exitcode == 0
        asyncio.run(drain(url, port))
    check(url, read(notes), well=WELL)
