"""A server with short time-outs on a database of the test's own."""

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import psycopg
import pytest
from msgspec import Struct
from sqlalchemy import Table

from core.app import Application
from core.config import Config
from core.db.branch import Branch
from core.testing import DatabaseServer, ServerProcess, config_on
from tests.acceptance.site import Site

IMPATIENT = {
    "HOLDFAST_DATABASE_POOL_TIMEOUT_SECONDS": "1",
    "HOLDFAST_DATABASE_STATEMENT_TIMEOUT_SECONDS": "1.5",
    "HOLDFAST_DATABASE_LOCK_TIMEOUT_SECONDS": "1",
    "HOLDFAST_DATABASE_CONNECT_TIMEOUT_SECONDS": "2",
}


class Served(Struct, frozen=True):
    """A running server, and its clients' view of it."""

    server: ServerProcess
    site: Site


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def serve(shop_config: Config, pytestconfig: pytest.Config) -> Serve:
    """Serve a database: `async with serve(url, workers=2, NAME="value") as served:`."""

    @asynccontextmanager
    async def serve(url: str, *, workers: int = 1, **environ: str) -> AsyncGenerator[Served]:
        application = Application.load(config_on(url, shop_config))
        root = pytestconfig.rootpath
        with ServerProcess(url, workers=workers, environ=IMPATIENT | environ, folder=root) as server:
            async with application.running(), httpx.AsyncClient(base_url=server.base_url, timeout=30) as http:
                yield Served(server, Site(application, http))
            assert '"status":500' not in server.log

    return serve


@pytest.fixture
def url(
    database_server: DatabaseServer, shop_branches: list[Branch], shop_links: Sequence[Table[Any]]
) -> Generator[str]:
    """The URL of a database that is dropped afterwards."""
    database = database_server.create(shop_branches, shop_links)
    yield database.url
    database.drop()


@pytest.fixture
async def other(url: str) -> AsyncGenerator[psycopg.AsyncConnection]:
    """Another session in the database, which stands in the server's way."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield connection
