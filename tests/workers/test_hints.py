"""A worker that stops leaves no hint behind: what it has not followed is for others, at once."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from redis import from_url

from core.config import Config
from core.metrics import METRICS
from jobs.broker import NAMESPACE, DramatiqDispatcher
from jobs.hints import Hints

from .chaos.workflows import GATE, place_behind_gate
from .conftest import Redis, flush, producing
from .host import Host
from .load import start_all
from .truth import check, until_all_finished, until_at_gate, until_finished

AT_GATE = [100, 101]
ORDERS = 20
LOAD = 600
STOPS = 8
PATIENCE_SECONDS = 30
NO_SWEEP: dict[str, Any] = {"HOLDFAST_ENGINE_QUEUED_SECONDS": "3600", "HOLDFAST_ENGINE_LEASE_SECONDS": "600"}
AT_WORK = "SELECT count(*) FROM workflow_run WHERE workflow = 'chaos-gate' AND status = 'running'"


@pytest.fixture
async def client(redis: Redis) -> AsyncGenerator[Any]:
    await flush(redis.url)
    client: Any = from_url(redis.url)
    with client:
        yield client


def queued(client: Any) -> int:
    """How many hints nobody has taken."""
    return client.llen(f"{NAMESPACE}:runs")


def kept(client: Any) -> int:
    """How many hints Redis remembers, whatever became of them."""
    return client.hlen(f"{NAMESPACE}:runs.msgs")


def taken(client: Any) -> int:
    """How many hints workers hold."""
    return sum(client.scard(key) for key in client.scan_iter(f"{NAMESPACE}:__acks__.*.runs"))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110, others' work
            await asyncio.sleep(0.02)


@asynccontextmanager
async def hints_behind_gate(host: Host, url: str, redis: Redis, client: Any, grace: str) -> AsyncGenerator[Any]:
    """A worker whose only threads wait at the gate, while it has hints of orders in memory."""
    worker = host.worker("--threads", "2", **NO_SWEEP, HOLDFAST_ENGINE_GRACE_SECONDS=grace)
    async with producing(url, redis.url) as app:
        await start_all(app, AT_GATE, place_behind_gate)
        await asyncio.to_thread(until_at_gate, url, len(AT_GATE))
        await start_all(app, range(ORDERS))
        await until(lambda: queued(client) + taken(client) == ORDERS + len(AT_GATE) and taken(client) > len(AT_GATE))
        yield worker


async def test_a_stopped_worker_leaves_its_hints_in_redis_for_the_next_one(
    host: Host, url: str, redis: Redis, client: Any
) -> None:
    async with hints_behind_gate(host, url, redis, client, grace="1") as worker:
        assert worker.ends() == 0
        assert (queued(client), taken(client)) == (ORDERS, 0)
        (host.folder / GATE).touch()
        host.worker(**NO_SWEEP)
        await asyncio.to_thread(until_all_finished, url, ORDERS + len(AT_GATE))
        await until(lambda: (queued(client), taken(client), kept(client)) == (0, 0, 0))
    check(url, [*range(ORDERS), *AT_GATE])


async def test_others_follow_its_hints_while_it_waits_for_its_runs(
    host: Host, url: str, redis: Redis, client: Any
) -> None:
    async with hints_behind_gate(host, url, redis, client, grace="600") as worker:
        worker.process.send_signal(signal.SIGTERM)
        host.worker(**NO_SWEEP)
        await asyncio.to_thread(until_finished, url, ORDERS)
        with psycopg.connect(url) as connection:
            assert connection.execute(AT_WORK).fetchall() == [(len(AT_GATE),)]
        assert worker.process.poll() is None
        (host.folder / GATE).touch()
        assert worker.process.wait(PATIENCE_SECONDS) == 0
        await asyncio.to_thread(until_all_finished, url, ORDERS + len(AT_GATE))
    check(url, [*range(ORDERS), *AT_GATE])


@asynccontextmanager
async def followed_by(
    config: Config, drive: Callable[[str], Awaitable[bool]], *, threads: int = 16
) -> AsyncGenerator[Hints]:
    hints = Hints(config, drive, queues=[config.jobs.queue], threads=threads)
    hints.start()
    yield hints
    await hints.stop()


async def test_no_hint_gets_lost_by_a_stop_in_the_midst_of_them(redis: Redis, client: Any) -> None:
    config = Config(redis_url=redis.url)
    followed: list[str] = []

    async def drive(run_id: str) -> bool:
        followed.append(run_id)
        return True

    dispatcher = DramatiqDispatcher(config)
    for stop in range(1, STOPS + 1):
        expected = len(followed) + stop * LOAD // (STOPS * 2)
        await asyncio.to_thread(dispatcher.dispatch, [f"{stop}-{number}" for number in range(LOAD)])
        there = queued(client) + len(followed)
        async with followed_by(config, drive) as hints:
            await until(lambda expected=expected: len(followed) >= expected)
            await hints.take_no_more()
        assert (queued(client) + len(followed), taken(client)) == (there, 0)
    dispatcher.close()


async def test_counts_a_hint_as_followed_whose_run_takes_longer_than_one_waits(redis: Redis, client: Any) -> None:
    config = Config(redis_url=redis.url)

    def followed() -> float:
        return METRICS.get_sample_value("holdfast_hints_total", {"outcome": "followed"}) or 0

    async def drive(_run_id: str) -> bool:
        raise asyncio.CancelledError  # as when the waiting is given up

    dispatcher, before = DramatiqDispatcher(config), followed()
    async with followed_by(config, drive) as hints:
        await asyncio.to_thread(dispatcher.dispatch, ["long"])
        await until(lambda: followed() == before + 1)
        await hints.take_no_more()
    dispatcher.close()


async def test_takes_no_hint_that_comes_after_the_stop(redis: Redis, client: Any) -> None:
    config = Config(redis_url=redis.url)
    followed: list[str] = []

    async def drive(run_id: str) -> bool:
        followed.append(run_id)
        return True

    dispatcher = DramatiqDispatcher(config)
    async with followed_by(config, drive) as hints:
        await asyncio.to_thread(dispatcher.dispatch, ["before"])
        await until(lambda: followed == ["before"])
        await hints.take_no_more()
        await asyncio.to_thread(dispatcher.dispatch, ["after"] * ORDERS)
    assert followed == ["before"]
    assert (queued(client), taken(client)) == (ORDERS, 0)
    dispatcher.close()


async def test_stops_although_all_threads_of_the_loop_are_busy(redis: Redis, client: Any) -> None:
    config = Config(redis_url=redis.url)
    over = threading.Event()

    async def drive(_run_id: str) -> bool:
        return True

    loop = asyncio.get_running_loop()
    held = [loop.run_in_executor(None, over.wait) for _ in range((os.cpu_count() or 1) + 4)]
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), followed_by(config, drive) as hints:
            await hints.take_no_more()
    finally:
        over.set()
        await asyncio.gather(*held)
