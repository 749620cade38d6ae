from collections.abc import AsyncGenerator, Generator

import pytest
from sqlalchemy import create_engine as create_sync_engine
from sqlalchemy import text

from core.clock import Clock
from core.config import Config, Database
from core.container import Container, Scope
from core.db import create_engine
from core.db.engine import database_url as driver_url
from core.testing import DatabaseServer

from .shop import Base, ShopService


@pytest.fixture(scope="session")
def shop_url(database_server: DatabaseServer) -> Generator[str]:
    database = database_server.create()
    engine = create_sync_engine(driver_url(database.url))
    Base.metadata.create_all(engine)
    engine.dispose()
    yield database.url
    database.drop()


@pytest.fixture
async def scope(shop_url: str) -> AsyncGenerator[Scope]:
    config = Config(database=Database(url=shop_url))
    engine = create_engine(config)
    container = Container(config, engine, Clock())
    container.register(ShopService, ShopService)
    async with engine.begin() as connection:
        await connection.execute(text("TRUNCATE toy, maker"))
    async with container.scope() as scope:
        yield scope
    await engine.dispose()


@pytest.fixture
def service(scope: Scope) -> ShopService:
    return scope.resolve(ShopService)
