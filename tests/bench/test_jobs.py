"""The benchmarks of background work still run, and measure what they say they measure."""

import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest
from msgspec.structs import replace

from bench.expiry import sweep
from bench.jobs import measure
from core.config import Config, Database
from core.db.embedded import EmbeddedValkey
from core.testing import config_on

RUNS = """
SELECT workflow, count(*)::integer FROM workflow_run WHERE status = 'done' GROUP BY 1 ORDER BY 1"""


@pytest.fixture
def redis() -> Generator[str]:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    valkey = EmbeddedValkey(folder)
    yield valkey.start()
    valkey.remove()
    shutil.rmtree(folder)


async def test_runs_and_events_are_measured_beside_bare_messages(
    core_database_url: str, redis: str, monkeypatch: pytest.MonkeyPatch
):
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.setenv(name, "")  # put back afterwards
    config = replace(Config(database=Database(url=core_database_url, pool_size=4)), redis_url=redis)

    figures = [figure async for figure in measure(config, 20, 1)]

    assert [(each.bench, each.floor) for each in figures] == [
        ("background_runs", "bare_messages"),
        ("background_events", "bare_messages"),
    ]
    with psycopg.connect(core_database_url) as connection:
        assert connection.execute(RUNS).fetchall() == [("bench-background", 22), ("on:bench.happened:bench-insert", 22)]
        assert connection.execute("SELECT count(*) FROM bench_row").fetchone() == (20,)


async def test_expiry_is_measured_beside_its_statements_in_time_and_beside_few_in_memory(
    database_url: str, shop_config: Config
):
    figures = [figure async for figure in sweep(config_on(database_url, shop_config), 700, 60)]

    assert [(each.bench, each.floor) for each in figures] == [
        ("expire_700", "statements_alone"),
        ("expire_700_memory", "expire_60_memory"),
    ]
    assert figures[1].ratio < 1.5
