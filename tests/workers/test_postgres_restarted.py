"""PostgreSQL is restarted under workers: they connect again and go on."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Table, make_url

from core.db.branch import Branch
from core.db.embedded import EmbeddedPostgres
from core.testing import DatabaseServer

from .chaos.workflows import TABLES
from .conftest import Redis, producing
from .host import Host
from .load import orders
from .truth import check

ORDERS = 400
AWAY_SECONDS = 1


@pytest.fixture
def postgres() -> Generator[EmbeddedPostgres]:
    """A PostgreSQL of the test's own, always on the same port."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    postgres = EmbeddedPostgres(folder, fsync=False)
    port = make_url(postgres.start()).port
    assert port is not None
    postgres.pick_port = lambda: port
    yield postgres
    postgres.remove()
    shutil.rmtree(folder)


def stop(postgres: EmbeddedPostgres) -> None:
    """Let it end in order, cutting off everybody."""
    postgres.stop()


def crash(postgres: EmbeddedPostgres) -> None:
    """Let it end at once, with no word to anybody."""
    pid = int((postgres.data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGQUIT)
    postgres.launched[-1].wait()


def make_database(
    postgres: EmbeddedPostgres, folder: Path, branches: Sequence[Branch], links: Sequence[Table[Any]]
) -> str:
    """Make a database in which a commit outlives its process."""
    url = DatabaseServer(postgres.start(), folder=folder).create(branches, links).url
    with psycopg.connect(url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = on").format(name))
        connection.execute(TABLES)
    return url


async def test_every_order_is_done_once_although_postgresql_is_restarted(
    postgres: EmbeddedPostgres,
    redis: Redis,
    tmp_path: Path,
    shop_branches: list[Branch],
    shop_links: Sequence[Table[Any]],
) -> None:
    url = make_database(postgres, tmp_path, shop_branches, shop_links)
    endings: list[Callable[[EmbeddedPostgres], None]] = [stop, crash]
    with Host(tmp_path / "host", url, redis.url) as host:
        worker = host.worker(processes=2)
        members = worker.members()
        async with producing(url, redis.url) as app, orders(app, ORDERS) as done:
            for number, ending in enumerate(endings):
                await done(0.2 + 0.3 * number)
                await asyncio.to_thread(ending, postgres)
                await asyncio.sleep(AWAY_SECONDS)
                await asyncio.to_thread(postgres.start)
        assert worker.members() == members
        check(url, range(ORDERS))
