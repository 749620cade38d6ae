"""Fixtures for pytest: `pytest_plugins = ["core.testing.plugin"]` in the root `conftest.py`."""

import os
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table

from ..app import Application
from ..config import Config
from ..container import Scope
from ..db.branch import Branch, branches
from ..db.embedded import EmbeddedPostgres
from .application import config_on
from .databases import DatabaseServer

FOLDER = ".holdfast-test"
"""Where the tests' own PostgreSQL keeps its data; it may be deleted at any time."""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio alone."""
    return "asyncio"


@pytest.fixture(scope="session")
def database_server(pytestconfig: pytest.Config) -> Generator[DatabaseServer]:
    """The PostgreSQL of this test run, shared by its workers.

    `HOLDFAST_TEST_DATABASE_URL` or `DATABASE_URL` names a running one, else one is started, of version
    `HOLDFAST_TEST_POSTGRES` (16 or 18).
    """
    folder = pytestconfig.rootpath
    given = os.environ.get("HOLDFAST_TEST_DATABASE_URL") or os.environ.get("DATABASE_URL")
    with nullcontext(given) if given else _embedded(folder) as url:
        server = DatabaseServer(url, folder=folder)
        yield server
        server.close()


@pytest.fixture(scope="session")
def shop_config(pytestconfig: pytest.Config) -> Config:
    """What `holdfast.toml` says."""
    return Config.load(pytestconfig.rootpath / "holdfast.toml", environ={})


@pytest.fixture(scope="session")
def shop_branches(shop_config: Config) -> list[Branch]:
    """The migrations of the shop."""
    return branches(Application.load(config_on("postgresql:///", shop_config)).modules.values())


@pytest.fixture(scope="session")
def shop_links(shop_config: Config) -> Sequence[Table[Any]]:
    """The link tables of the shop."""
    return Application.load(config_on("postgresql:///", shop_config)).link_tables


@pytest.fixture
def database_url(database_server: DatabaseServer, shop_branches: list[Branch], shop_links: Sequence[Table[Any]]) -> str:
    """The URL of a database with the tables of the shop, all without rows."""
    return database_server.reuse(shop_branches, shop_links).url


@pytest.fixture
def core_database_url(database_server: DatabaseServer) -> str:
    """The URL of a database with the engine's tables alone, all without rows."""
    return database_server.reuse(branches([])).url


@pytest.fixture
def empty_database_url(database_server: DatabaseServer) -> str:
    """The URL of a database without any table."""
    return database_server.reuse([]).url


@pytest.fixture
async def application(database_url: str, shop_config: Config) -> AsyncGenerator[Application]:
    """The shop as `holdfast.toml` has it, open, on a database without rows."""
    app = Application.load(config_on(database_url, shop_config))
    async with app.running():
        yield app


@pytest.fixture
async def scope(application: Application) -> AsyncGenerator[Scope]:
    """A scope of the application."""
    async with application.scope() as scope:
        yield scope


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server also when the workers could not, being killed; it stays as long as others use it."""
    if (config.rootpath / FOLDER).exists() and not hasattr(config, "workerinput"):
        _embedded(config.rootpath).stop()


def _embedded(root: Path) -> EmbeddedPostgres:
    version = int(os.environ.get("HOLDFAST_TEST_POSTGRES", "18"))
    return EmbeddedPostgres(root / FOLDER, version=version, fsync=False)
