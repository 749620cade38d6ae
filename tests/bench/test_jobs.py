"""The benchmarks of background work still run, and measure what they say they measure."""

import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest
from msgspec.structs import replace

from bench.jobs import measure
from core.config import Config, Database
from core.db.embedded import EmbeddedValkey

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
