"""The benchmarks of sagas still run, and measure what they say they measure."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from bench.cpu import Backends
from bench.figures import Figure
from bench.footprint import count_bytes
from bench.kinds import MIX, one_step, one_step_unkept
from bench.recovery import recover
from bench.saga import Length, measure
from core.config import Config, Database

SHORT = Length(rounds=1, seconds=0.1, warm_up=12)
KINDS = [
    *("one_step", "three_steps", "three_external_steps", "mix"),
    *("one_step_unkeyed", "one_step_unkeyed_retention_0"),
]
RUNS = """
SELECT workflow, status, count(key) > 0, count(key) = count(*), max(expires_at - finished_at) > interval '6 days'
FROM workflow_run GROUP BY 1, 2"""


@pytest.fixture
def config(core_database_url: str) -> Config:
    return Config(database=Database(url=core_database_url, pool_size=4))


async def collect(figures: AsyncIterator[Figure]) -> dict[tuple[str, str], Figure]:
    return {(figure.bench, figure.floor): figure async for figure in figures}


async def test_each_kind_of_saga_is_measured_beside_both_inserts(config: Config):
    found = await collect(measure(config, SHORT))

    names = {f"saga_{kind}{what}" for kind in KINDS for what in ("", "_client_cpu", "_server_cpu", "_cpu")}
    wanted = {f"{name}_c{at_once}" for name in names for at_once in (1, 16)}
    assert found.keys() == {(each, floor) for each in wanted for floor in ("core_insert", "psycopg_insert")}
    assert all(figure.value > 0 and figure.floor_value > 0 for figure in found.values())
    with psycopg.connect(config.database.url) as connection:
        runs = {(workflow, status): rest for workflow, status, *rest in connection.execute(RUNS)}
    # All are keyed and kept for the default time, but for the single steps that say otherwise.
    kinds = {(each.id, "compensated" if each.id == "fail" else "done") for each in MIX}
    assert runs.keys() == {*kinds, ("three-steps", "done"), ("three-external-steps", "done")}
    assert runs.pop((one_step.id, "done")) == [True, False, True]
    assert set(map(tuple, runs.values())) == {(True, True, True)}
    assert one_step_unkept.id not in {workflow for workflow, _ in runs}


async def test_counts_what_the_servers_processes_use(core_database_url: str):
    with psycopg.connect(core_database_url) as connection:
        backends = Backends(core_database_url)
        before = backends.spent()
        connection.execute("SELECT count(*) FROM generate_series(1, 1000000)")
        spent = backends.spent().since(before)
        backends.check()
        assert spent.server > 0.02
        assert spent.client < spent.server
        with psycopg.connect(core_database_url), pytest.raises(RuntimeError, match="came or went"):
            backends.check()


async def test_runs_of_a_killed_process_are_taken_over(config: Config):
    found = await collect(recover(config, 20, rounds=1))

    assert found.keys() == {("recovery_20", "in_peace")}
    with psycopg.connect(config.database.url) as connection:
        assert connection.execute("SELECT count(*), sum(takeovers) FROM workflow_run").fetchone() == (40, 20)


async def test_bytes_are_counted_beside_those_of_the_insert(config: Config):
    found = await collect(count_bytes(config, 400))

    on_disk, logged = found["saga_bytes", "psycopg_insert"], found["saga_wal_bytes", "psycopg_insert"]
    assert 300 < on_disk.value < 3000
    assert 20 < on_disk.floor_value < 400
    # Others write to the log of the server, too, so there is no upper limit.
    assert logged.value > 300
    assert logged.floor_value > 50
