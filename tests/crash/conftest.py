from collections.abc import Generator

import psycopg
import pytest

from core.db.branch import branches
from core.testing import DatabaseServer

from .sagas import TABLES
from .worker import end_all


@pytest.fixture(autouse=True)
def no_worker_outlives_its_test() -> Generator[None]:
    yield
    end_all()


@pytest.fixture
def url(database_server: DatabaseServer) -> Generator[str]:
    database = database_server.create(branches([]))
    with psycopg.connect(database.url) as connection:
        connection.execute(TABLES)
    yield database.url
    database.drop()
