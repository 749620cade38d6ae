from collections.abc import Generator

import psycopg
import pytest

from core.db.branch import branches
from core.testing import DatabaseServer

from .sagas import TABLES


@pytest.fixture
def url(database_server: DatabaseServer) -> Generator[str]:
    database = database_server.create(branches([]))
    with psycopg.connect(database.url) as connection:
        connection.execute(TABLES)
    yield database.url
    database.drop()
