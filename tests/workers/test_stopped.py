"""SIGTERM: a worker lets its runs end for the grace time, and leaves them to others after that."""

import asyncio
import signal

import psycopg
import pytest

from .chaos.workflows import GATE, break_down, place_behind_gate
from .conftest import Redis, producing
from .host import Host
from .load import orders, start_all
from .truth import check, until_all_finished, until_at_gate

STANDING = "SELECT status, owner IS NOT NULL, count(*) FROM workflow_run WHERE workflow = 'chaos-gate' GROUP BY 1, 2"
ORDERS = 6


@pytest.mark.parametrize("processes", [1, 2])
async def test_runs_that_end_within_the_grace_time_end_where_they_are(
    host: Host, url: str, redis: Redis, processes: int
) -> None:
    worker = host.worker(processes=processes, HOLDFAST_ENGINE_GRACE_SECONDS="30")
    async with producing(url, redis.url) as app:
        await start_all(app, range(ORDERS), place_behind_gate)
        await asyncio.to_thread(until_at_gate, url, ORDERS)
        worker.process.send_signal(signal.SIGTERM)
        (host.folder / GATE).touch()
        assert worker.ends() == 0
        with psycopg.connect(url) as connection:
            assert connection.execute(STANDING).fetchall() == [("done", False, ORDERS)]
        host.worker()
        await asyncio.to_thread(until_all_finished, url, ORDERS)
    check(url, range(ORDERS))


async def test_runs_that_take_longer_are_handed_over_at_once(host: Host, url: str, redis: Redis) -> None:
    worker = host.worker(HOLDFAST_ENGINE_GRACE_SECONDS="1", HOLDFAST_ENGINE_LEASE_SECONDS="600")
    async with producing(url, redis.url) as app:
        await start_all(app, range(ORDERS), place_behind_gate)
        await asyncio.to_thread(until_at_gate, url, ORDERS)
        assert worker.ends() == 0
        with psycopg.connect(url) as connection:
            assert connection.execute(STANDING).fetchall() == [("running", False, ORDERS)]
        (host.folder / GATE).touch()
        host.worker(HOLDFAST_ENGINE_LEASE_SECONDS="600")
        await asyncio.to_thread(until_all_finished, url, ORDERS)
    check(url, range(ORDERS))


async def test_a_worker_ends_although_redis_is_gone(host: Host, url: str, redis: Redis) -> None:
    worker = host.worker()
    async with producing(url, redis.url) as app, orders(app, 20):
        pass
    redis.kill()
    try:
        assert worker.ends() == 0
    finally:
        redis.start()


async def test_runs_that_take_long_or_break_down_do_not_block_the_queue(host: Host, url: str, redis: Redis) -> None:
    host.worker("--threads", "2", HOLDFAST_ENGINE_QUEUED_SECONDS="3600")
    async with producing(url, redis.url) as app:
        await start_all(app, [100, 101], place_behind_gate)
        await start_all(app, range(20), break_down)
        async with orders(app, 50) as done:
            await done(1)
            with psycopg.connect(url) as connection:
                assert connection.execute(STANDING).fetchall() == [("running", True, 2)]
            (host.folder / GATE).touch()
    check(url, [*range(50), 100, 101])
