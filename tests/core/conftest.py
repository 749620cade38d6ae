from collections.abc import Generator

import pytest

from core.db.embedded import EmbeddedPostgres


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def core_database_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), fsync=False) as url:
        yield url
