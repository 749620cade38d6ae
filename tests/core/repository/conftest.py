from collections.abc import AsyncGenerator, Generator

import pytest
from sqlalchemy import create_engine as create_sync_engine
from sqlalchemy import text

from core.clock import Clock
from core.config import Config, Database
from core.container import Container, Scope
from core.db import create_engine
from core.db.engine import database_url
from core.testing import DatabaseServer

from .shop import Base, ShopService


@pytest.fixture(scope="session")
def toy_shop_url(database_server: DatabaseServer) -> Generator[str]:
    """The URL of a database with the toy shop's tables."""
    database = database_server.create()
    engine = create_sync_engine(database_url(database.url))
    Base.metadata.create_all(engine)
    engine.dispose()
    yield database.url
    database.drop()


@pytest.fixture
async def scope(toy_shop_url: str) -> AsyncGenerator[Scope]:
    engine = create_engine(Config(database=Database(url=toy_shop_url)))
    container = Container(Config(), engine, Clock())
    container.register(ShopService, ShopService)
    async with engine.begin() as connection:
        await connection.execute(text("TRUNCATE toy, maker"))
    async with container.scope() as scope:
        yield scope
    await engine.dispose()


@pytest.fixture
def service(scope: Scope) -> ShopService:
    return scope.resolve(ShopService)
