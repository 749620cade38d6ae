from collections.abc import AsyncGenerator, Generator

import psycopg
import pytest
from sqlalchemy import create_engine

from core.app import Application
from core.container import Scope
from core.db.branch import branches
from core.db.engine import database_url
from core.db.migrate import Migrations
from core.link import Links
from core.testing import DatabaseServer, application_on

from .library import LINKS, METADATA, MODULES
from .records import Records
from .workflows import WORKFLOWS


@pytest.fixture(scope="session")
def library_url(database_server: DatabaseServer) -> Generator[str]:
    """A database with the tables of the library and of its links."""
    database = database_server.create(branches([]))
    engine = create_engine(database_url(database.url))
    for metadata in METADATA:
        metadata.create_all(engine)
    engine.dispose()
    Migrations(database.url, branches([]), links=[link.table for link in LINKS], report=lambda _line: None).upgrade()
    yield database.url
    database.drop()


@pytest.fixture
def url(library_url: str) -> str:
    with psycopg.connect(library_url) as connection:
        connection.execute("TRUNCATE author, book, review, link_deletion, workflow_run, workflow_step CASCADE")
    return library_url


@pytest.fixture
async def library(url: str) -> AsyncGenerator[Application]:
    app = application_on(url, modules=MODULES, links=LINKS, workflows=WORKFLOWS)
    async with app.running():
        yield app


@pytest.fixture
async def scope(library: Application) -> AsyncGenerator[Scope]:
    async with library.scope() as scope:
        yield scope


@pytest.fixture
def links(scope: Scope) -> Links:
    return scope.resolve(Links)


@pytest.fixture
def records(scope: Scope) -> Records:
    return Records(scope)
