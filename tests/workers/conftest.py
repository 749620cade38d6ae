import os
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis.asyncio import from_url
from sqlalchemy import Table, make_url

from core.app import Application
from core.config import Config, Database, Engine, Jobs
from core.db.branch import Branch
from core.db.embedded import EmbeddedValkey
from core.testing import DatabaseServer

from .chaos import workflows
from .host import Host

DISPATCHER = "jobs.broker:DramatiqDispatcher"
ALL = [
    workflows.place_order,
    workflows.place_behind_gate,
    workflows.place_overnight,
    workflows.place_in_thread,
    workflows.knock_twice,
    workflows.kill_process,
    workflows.break_down,
]


class Redis:
    """A Valkey of the test's own, always on the same port."""

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedValkey(folder)
        self.url = self._server.start()
        port = make_url(self.url).port
        assert port is not None
        self._server.pick_port = lambda: port

    def kill(self) -> None:
        """End it at once."""
        process = self._server.launched[-1]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    def start(self) -> None:
        """Start it again, empty."""
        self._server.start()

    def stop(self) -> None:
        self._server.remove()


@pytest.fixture(scope="module")
def redis() -> Generator[Redis]:
    # A folder that every user can enter, unlike pytest's own: root's servers are another user's.
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    redis = Redis(folder)
    yield redis
    redis.stop()
    shutil.rmtree(folder)


async def flush(url: str) -> int:
    """Empty it; return how many keys there were."""
    client: Any = from_url(url)
    async with client:
        keys = await client.dbsize()
        await client.flushall()
    return keys


@pytest.fixture
def url(
    database_server: DatabaseServer, shop_branches: list[Branch], shop_links: Sequence[Table[Any]]
) -> Generator[str]:
    """The URL of a database of the shop, with the table of the orders."""
    database = database_server.create(shop_branches, shop_links)
    with psycopg.connect(database.url) as connection:
        connection.execute(workflows.TABLES)
    yield database.url
    database.drop()


@pytest.fixture
def host(tmp_path: Path, url: str, redis: Redis) -> Generator[Host]:
    with Host(tmp_path / "host", url, redis.url) as host:
        yield host


@asynccontextmanager
async def producing(url: str, redis_url: str) -> AsyncGenerator[Application]:
    """An application that starts orders in the background, as an API process would."""
    config = Config(
        database=Database(url=url, pool_size=8),
        engine=Engine(beat_seconds=0.5, lease_seconds=2, queued_seconds=1),
        jobs=Jobs(dispatcher=DISPATCHER),
        redis_url=redis_url,
    )
    app = Application(config, modules=[], workflows=[*ALL, workflows.tell_of_order])
    async with app.running(sweeping=False):
        yield app
