import asyncio
from collections.abc import AsyncGenerator, Generator

import pytest
import uvloop
from sqlalchemy import create_engine as create_sync_engine

from core.app import Application
from core.container import Scope
from core.db.engine import database_url
from core.query import Query
from core.testing import DatabaseServer, application_on

from .rows import Rows
from .studio import BASES, LINKS, MODULES


@pytest.fixture(scope="session")
def studio_url(database_server: DatabaseServer) -> Generator[str]:
    """The URL of a database with the studio's tables, never with rows in it."""
    database = database_server.create()
    engine = create_sync_engine(database_url(database.url))
    for base in BASES:
        base.metadata.create_all(engine)
    for link in LINKS:
        link.table.create(engine)
    engine.dispose()
    yield database.url
    database.drop()


@pytest.fixture
async def studio_app(studio_url: str) -> AsyncGenerator[Application]:
    """The studio, with its heart at rest."""
    application = application_on(studio_url, modules=MODULES, links=LINKS)
    yield application
    await application.database.dispose()


@pytest.fixture
async def scope(studio_app: Application) -> AsyncGenerator[Scope]:
    """A scope in a transaction that is rolled back."""
    async with studio_app.scope() as scope:
        with pytest.raises(Undone):  # noqa: PT012, the test itself runs in the block
            async with scope.transaction():
                yield scope
                raise Undone


@pytest.fixture
def runner() -> Generator[asyncio.Runner]:
    """Runs coroutines one after the other in a loop of its own: examples are not coroutines."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


@pytest.fixture
def rows(scope: Scope) -> Rows:
    """Makes rows."""
    return Rows(scope)


@pytest.fixture
def query(scope: Scope) -> Query:
    return scope.query


class Undone(Exception):
    """Rolls back."""
