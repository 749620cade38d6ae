"""`recovery_1000`: a process dies with 1 000 sagas mid-way, another one takes them over; beside sagas left in peace."""

from collections.abc import AsyncGenerator
from itertools import islice
from multiprocessing import get_context
from typing import LiteralString

import psycopg

from core.config import Config

from .figures import ROUNDS, Figure, compare, in_turn
from .ground import Ground
from .inserts import items
from .interrupted import PATIENCE_SECONDS, Work, run_in_peace, stop_mid_way, take_over, work
from .kinds import CREATE, Item

RUNS = 1_000
FRESH = get_context("spawn")

# As if the lease were over: how long that is, is configuration.
LAPSE: LiteralString = "UPDATE workflow_process SET beat_at = beat_at - interval '1 hour'"
LOST: LiteralString = """
SELECT count(*) FROM workflow_run JOIN workflow_process AS process ON process.id = owner
WHERE status = 'running' AND beat_at < clock_timestamp() - interval '1 hour'"""
ENDED: LiteralString = """
SELECT (SELECT count(*) FROM workflow_run WHERE status = 'done'), (SELECT sum(takeovers)::integer FROM workflow_run),
    (SELECT count(*) FROM bench_row)"""


async def recovery_1000(ground: Ground) -> AsyncGenerator[Figure]:
    """Take a thousand over."""
    with ground.database() as database:
        async for figure in recover(ground.config_at(database.url), RUNS):
            yield figure


async def recover(config: Config, runs: int, rounds: int = ROUNDS) -> AsyncGenerator[Figure]:
    """Measure on an empty database."""
    with psycopg.connect(config.database.url, autocommit=True) as connection:
        connection.execute(CREATE)

        async def interrupted() -> float:
            _in_a_process(stop_mid_way, config, runs)
            connection.execute(LAPSE)
            _expect(connection, LOST, (runs,))
            return _in_a_process(take_over, config, 0)

        async def in_peace() -> float:
            return _in_a_process(run_in_peace, config, runs)

        found = await in_turn({"taken_over": interrupted, "in_peace": in_peace}, rounds)
        # Each is done, was taken over once if at all, and did each of its steps once.
        _expect(connection, ENDED, (2 * runs * rounds, runs * rounds, 3 * 2 * runs * rounds))
    for figure in compare(f"recovery_{runs}", "s", found.pop("taken_over"), found):
        yield figure


def _in_a_process(act: Work, config: Config, runs: int) -> float:
    """Return what it tells; it is killed right afterwards."""
    told, tell = FRESH.Pipe(duplex=False)
    given: list[Item] = [*islice(items(), runs)]
    process = FRESH.Process(target=work, args=(act, config, given, tell), daemon=True)
    process.start()
    tell.close()  # else its end would never be seen here
    try:
        if not told.poll(PATIENCE_SECONDS):
            raise TimeoutError(f"{act.__name__} takes longer than {PATIENCE_SECONDS} s")
        return told.recv()
    finally:
        process.kill()
        process.join()


def _expect(connection: psycopg.Connection, query: LiteralString, wanted: tuple[int, ...]) -> None:
    found = connection.execute(query).fetchone()
    if found != wanted:
        raise RuntimeError(f"there should be {wanted}, and there are {found}: {query.strip()}")
