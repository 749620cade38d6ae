"""A worker whose steps hold all threads of its loop ends as any other one does."""

import asyncio
import os
import signal

import psycopg

from .chaos.workflows import GATE, place_in_thread
from .conftest import Redis, producing
from .host import Host
from .load import start_all
from .truth import check, until_all_finished, until_at_gate

ORDERS = range(0, 10 * ((os.cpu_count() or 1) + 6), 10)
"""More than the loop has threads: four, and one for each processor."""
PATIENCE_SECONDS = 6
MINE = "SELECT count(*) FROM workflow_run WHERE owner IS NOT NULL"


async def test_runs_are_handed_over_in_time_although_their_steps_hold_all_threads(
    host: Host, url: str, redis: Redis
) -> None:
    worker = host.worker(HOLDFAST_ENGINE_GRACE_SECONDS="1", HOLDFAST_ENGINE_LEASE_SECONDS="600")
    async with producing(url, redis.url) as app:
        await start_all(app, ORDERS, place_in_thread)
        await asyncio.to_thread(until_at_gate, url, len(ORDERS))
        worker.process.send_signal(signal.SIGTERM)
        with psycopg.connect(url, autocommit=True) as connection:
            async with asyncio.timeout(1 + PATIENCE_SECONDS):
                while connection.execute(MINE).fetchall() != [(0,)]:  # noqa: ASYNC110, rows
                    await asyncio.sleep(0.05)
        (host.folder / GATE).touch()
        host.worker(HOLDFAST_ENGINE_LEASE_SECONDS="600")
        await asyncio.to_thread(until_all_finished, url, len(ORDERS))
        assert await asyncio.to_thread(worker.process.wait, PATIENCE_SECONDS) == 0
    check(url, ORDERS)
