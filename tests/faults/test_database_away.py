"""PostgreSQL stops and starts under load."""

import asyncio
import os
import signal
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Table, make_url

from core.db.branch import Branch
from core.db.embedded import EmbeddedPostgres
from core.testing import DatabaseServer

from .conftest import Serve
from .load import customers
from .truth import doctor, findings

BOUND_SECONDS = 15


@pytest.fixture
def postgres(tmp_path: Path) -> Generator[EmbeddedPostgres]:
    """A PostgreSQL of the test's own, always on the same port."""
    postgres = EmbeddedPostgres(tmp_path, fsync=False)
    port = make_url(postgres.start()).port
    assert port is not None
    postgres.pick_port = lambda: port
    yield postgres
    postgres.remove()


def make_database(server: str, folder: Path, branches: list[Branch], links: Sequence[Table[Any]]) -> str:
    """Make a database in which a commit outlives its process; without fsync not a loss of power, but none comes."""
    database = DatabaseServer(server, folder=folder).create(branches, links)
    with psycopg.connect(database.url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = on").format(name))
    return database.url


async def crash(postgres: EmbeddedPostgres) -> None:
    """Let it end at once, with no word to anybody."""
    pid = int((postgres.data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGQUIT)
    await asyncio.to_thread(postgres.launched[-1].wait)


async def stop(postgres: EmbeddedPostgres) -> None:
    """Let it end in order, cutting off everybody."""
    await asyncio.to_thread(postgres.stop)


async def test_says_busy_while_postgresql_is_away_and_recovers_by_itself(
    postgres: EmbeddedPostgres,
    shop_branches: list[Branch],
    shop_links: Sequence[Table[Any]],
    serve: Serve,
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> None:
    url = make_database(postgres.start(), tmp_path, shop_branches, shop_links)
    async with serve(url) as served:
        http = served.site.http
        async with customers(await served.site.open_shop()) as load:
            for ending in stop, crash:
                await load.reaches(30, lambda status: status < 300)
                await ending(postgres)
                await load.reaches(20, lambda status: status == 503)
                assert [(await http.get(path)).status_code for path in ("/health", "/ready")] == [200, 503]
                await asyncio.to_thread(postgres.start)
                await load.reaches(30, lambda status: status < 300)
                assert (await http.get("/ready")).status_code == 200
    refused = [answer for answer in load.answers if answer.status >= 300]
    assert {(answer.status, answer.code) for answer in refused} <= {(503, "busy"), (503, "outcome_unknown")}
    assert all(int(answer.retry_after) > 0 for answer in refused)
    assert max(answer.seconds for answer in load.answers) < BOUND_SECONDS
    assert findings(url, load) == []
    assert set((await doctor(url, pytestconfig.rootpath)).values()) == {"ok"}
