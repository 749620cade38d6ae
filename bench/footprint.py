"""`saga_bytes`: what a keyed saga of one step leaves on disk and in the log, beside its INSERT alone."""

from collections.abc import AsyncGenerator
from itertools import islice
from typing import LiteralString, NamedTuple

import psycopg

from core.app import Application
from core.config import Config

from .figures import Figure, compare, say
from .ground import Ground
from .inserts import Way, floors, items, open_pool, repeat
from .kinds import CREATE, one_step, run_keyed

RUNS = 10_000
AT_ONCE = 16
DISK: LiteralString = """
SELECT pg_total_relation_size('workflow_run') + pg_total_relation_size('workflow_step'),
    pg_total_relation_size('bench_row'), pg_current_wal_insert_lsn() - '0/0'"""


class Size(NamedTuple):
    """Bytes: the journal's tables with their indexes, the table of the step, the write-ahead log."""

    journal: float
    row: float
    log: float


async def saga_bytes(ground: Ground) -> AsyncGenerator[Figure]:
    """Count with ten thousand."""
    with ground.database() as database:
        async for figure in count_bytes(ground.config_at(database.url), RUNS):
            yield figure


async def count_bytes(config: Config, runs: int) -> AsyncGenerator[Figure]:
    """Count on an empty database, on whose server nothing else writes."""
    url = config.database.url
    with psycopg.connect(url) as connection:
        connection.execute(CREATE)
    app = Application(config, modules=[], workflows=[one_step])
    async with app.running(), open_pool(config) as pool:
        bare = await _growth(url, floors(app, pool)["psycopg_insert"], runs)
        ours = await _growth(url, lambda item: run_keyed(app, one_step, item), runs)
    say(f"  {runs} inserts: {bare}; {runs} sagas: {ours}")
    for figure in (
        *compare("saga_bytes", "B", ours.journal, {"psycopg_insert": bare.row}),
        *compare("saga_wal_bytes", "B", ours.log, {"psycopg_insert": bare.log}),
    ):
        yield figure


async def _growth(url: str, way: Way, runs: int) -> Size:
    """Return what one of many adds."""
    with psycopg.connect(url, autocommit=True) as connection:
        # The first change of a page after a checkpoint logs the page whole: both begin alike.
        connection.execute("CHECKPOINT")
        before = _size(connection)
        await repeat(way, islice(items(), runs), AT_ONCE)
        after = _size(connection)
    return Size(*((now - then) / runs for now, then in zip(after, before, strict=True)))


def _size(connection: psycopg.Connection) -> Size:
    [row] = connection.execute(DISK).fetchall()
    return Size(*map(float, row))
