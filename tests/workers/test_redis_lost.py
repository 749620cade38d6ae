"""Redis is flushed, killed and started again under load: hints get lost, and nothing else."""

import asyncio
import urllib.request

from core.app import Application
from core.metrics import METRICS

from .conftest import Redis, flush, producing
from .host import LISTENING, Host
from .load import orders, start_all
from .truth import check, until_all_finished

ORDERS = 2000
PATIENCE_SECONDS = 30


def hints(outcome: str) -> float:
    """How many hints of this process went so."""
    return METRICS.get_sample_value("holdfast_hints_total", {"outcome": outcome}) or 0


async def test_every_order_is_done_once_although_redis_is_flushed_killed_and_restarted(
    host: Host, url: str, redis: Redis
) -> None:
    host.worker(processes=2)
    lost = hints("lost")
    async with producing(url, redis.url) as app, orders(app, ORDERS) as done:
        await done(0.1)
        assert await flush(redis.url) > 0
        await done(0.25)
        redis.kill()
        await done(0.5)
        redis.start()
        await done(0.75)
        await flush(redis.url)
    assert hints("lost") > lost
    check(url, range(ORDERS))


async def test_hints_bring_orders_and_their_events_where_no_sweep_does(host: Host, url: str, redis: Redis) -> None:
    host.worker(HOLDFAST_ENGINE_QUEUED_SECONDS="3600")
    async with producing(url, redis.url) as app, orders(app, 20):
        pass
    check(url, range(20))


async def test_a_worker_that_starts_without_redis_sweeps_until_hints_come(host: Host, url: str, redis: Redis) -> None:
    redis.kill()
    worker = host.worker("--port", "0")
    async with producing(url, redis.url) as app:
        async with orders(app, 20):
            pass
        redis.start()
        ordered = await order_until_a_hint_is_followed(app, worker.until_it_says(LISTENING)[0])
    await asyncio.to_thread(until_all_finished, url, ordered)
    check(url, range(ordered))


async def order_until_a_hint_is_followed(app: Application, worker: str) -> int:
    """Return how many orders there are then."""
    ordered = 20
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await asyncio.to_thread(followed, worker) == 0:
            await start_all(app, [ordered])
            ordered += 1
    return ordered


def followed(worker: str) -> float:
    """How many hints a worker has followed, by its metrics."""
    with urllib.request.urlopen(f"{worker}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    counts = [line.rpartition(" ")[2] for line in lines if line.startswith('holdfast_hints_total{outcome="followed"}')]
    return sum(map(float, counts))
