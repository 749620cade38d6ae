"""Each race has a database of its own, whose deadlocks can be counted."""

import os
import random
from collections.abc import Generator, Sequence
from typing import Any

import psycopg
import pytest
from sqlalchemy import Table

from core.config import Config
from core.db.branch import Branch
from core.testing import DatabaseServer

from .course import Course, open_course

SEED = "HOLDFAST_RACE_SEED"


@pytest.fixture
def course(
    database_server: DatabaseServer,
    shop_branches: list[Branch],
    shop_links: Sequence[Table[Any]],
    shop_config: Config,
    pytestconfig: pytest.Config,
) -> Generator[Course]:
    """A watched database."""
    database = database_server.create(shop_branches, shop_links)
    with psycopg.connect(database.url, autocommit=True) as connection:
        yield open_course(database.url, shop_config, pytestconfig.rootpath, connection)
    database.drop()


@pytest.fixture
def dice() -> random.Random:
    """Random numbers of a seed that is printed, or given by the environment."""
    seed = int(os.environ.get(SEED) or random.randrange(2**32))
    print(f"{SEED}={seed}")
    return random.Random(seed)
