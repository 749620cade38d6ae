"""One server process and one database per test worker; each test opens a shop of its own in it."""

from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any

import httpx
import pytest
from sqlalchemy import Table

from core.app import Application
from core.config import Config
from core.db.branch import Branch
from core.testing import DatabaseServer, ServerProcess, config_on

from .site import Site


@pytest.fixture(scope="session")
def site_url(
    database_server: DatabaseServer, shop_branches: list[Branch], shop_links: Sequence[Table[Any]]
) -> Generator[str]:
    database = database_server.create(shop_branches, shop_links)
    yield database.url
    database.drop()


@pytest.fixture(scope="session")
async def site(site_url: str, shop_config: Config, pytestconfig: pytest.Config) -> AsyncGenerator[Site]:
    beats = {"HOLDFAST_ENGINE_BEAT_SECONDS": "0.05"}  # tests that move the clock wait for a beat
    limits = httpx.Limits(max_connections=60)
    with ServerProcess(site_url, folder=pytestconfig.rootpath, environ=beats) as server:
        application = Application.load(config_on(site_url, shop_config))
        async with (
            application.running(),
            httpx.AsyncClient(base_url=server.base_url, limits=limits, timeout=30) as http,
        ):
            yield Site(application, http)
        assert [line for line in server.log.splitlines() if '"level":"error"' in line] == []
