import asyncio
import gc
from collections.abc import AsyncGenerator, Generator
from typing import Any, cast

import psycopg
import pytest
from sqlalchemy.pool import QueuePool

from core.app import Application
from core.config import Config, Database, Engine
from core.container import Scope
from core.db.branch import branches
from core.testing import DatabaseServer

from .proxy import Proxy
from .slots import ALL, TABLES, Calls

FILLED = ("workflow_signal", "workflow_run", "workflow_step", "workflow_process", "clock_offset", "slot", "committed")
# The heart beats so rarely that nothing but the test writes.
CLOCKWORK = Engine(beat_seconds=3600, lease_seconds=20, grace_seconds=5, undo_attempts=3, undo_pause_seconds=0.02)


@pytest.fixture(scope="session")
def slots_url(database_server: DatabaseServer) -> Generator[str]:
    database = database_server.create(branches([]))
    with psycopg.connect(database.url) as connection:
        connection.execute(TABLES)
    yield database.url
    database.drop()


@pytest.fixture
def url(slots_url: str) -> str:
    with psycopg.connect(slots_url) as connection:
        connection.execute(f"TRUNCATE {', '.join(FILLED)}")
        connection.execute("SELECT setval('tries', 1, false)")
    return slots_url


def application_at(url: str, calls: Calls, *, clockwork: Engine = CLOCKWORK) -> Application:
    """The slots' application."""
    config = Config(database=Database(url=url, pool_size=5), engine=clockwork)
    app = Application(config, modules=[], workflows=ALL)
    app.container.register(Calls, lambda _scope: calls)
    return app


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
async def app(url: str, calls: Calls) -> AsyncGenerator[Application]:
    app = application_at(url, calls)
    async with app.running():
        yield app
        gc.collect()  # an error that nobody fetched shows up in the test that left it
        await until_no_connection_is_out(app)


@pytest.fixture
async def scope(app: Application) -> AsyncGenerator[Scope]:
    async with app.scope() as scope:
        yield scope


@pytest.fixture
async def proxy(url: str) -> AsyncGenerator[Proxy]:
    async with Proxy(url).running() as proxy:
        yield proxy


@pytest.fixture
async def far_app(proxy: Proxy, calls: Calls) -> AsyncGenerator[Application]:
    """The application behind a wire that can be cut."""
    app = application_at(proxy.url, calls)
    async with app.running():
        async with app.scope() as scope:
            await scope.session.sql("SELECT 1")  # the first connection is there before the wire is touched
        yield app
        gc.collect()
        await until_no_connection_is_out(app)


@pytest.fixture
async def far(far_app: Application) -> AsyncGenerator[Scope]:
    async with far_app.scope() as scope:
        yield scope


async def until_no_connection_is_out(app: Application) -> None:
    """Fail if one is leaked; the sweep may have one for a moment."""
    pool = cast("QueuePool", cast("Any", app.database.pool))
    async with asyncio.timeout(5):
        while pool.checkedout():  # noqa: ASYNC110, a number
            await asyncio.sleep(0.01)
