"""A step that never lets its process's loop turn again: the process ends all the same, and others go on."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from core.testing.processes import is_alive

from .chaos.stuck import IN_C, IN_PYTHON, be_stuck
from .conftest import Redis, producing
from .host import Host

AT_ONCE: dict[str, Any] = {"HOLDFAST_ENGINE_GRACE_SECONDS": "0"}
ENDED = "SELECT count(*) FROM workflow_run WHERE workflow = 'chaos-stuck' AND status = 'done'"


async def start_stuck(url: str, redis_url: str, folder: Path, places: Sequence[str]) -> None:
    """Have runs get stuck at these places, one after the other, each in a process of its own."""
    async with producing(url, redis_url) as app, app.scope() as scope, asyncio.timeout(60):
        for place in places:
            await be_stuck.start(scope, place)
            while not (folder / place).exists():  # noqa: ASYNC110, others' files
                await asyncio.sleep(0.05)


async def until_done(url: str, count: int) -> None:
    async with asyncio.timeout(60):
        with psycopg.connect(url, autocommit=True) as connection:
            while connection.execute(ENDED).fetchall() != [(count,)]:  # noqa: ASYNC110, rows
                await asyncio.sleep(0.05)


async def test_stuck_processes_end_with_their_main_one_and_others_take_their_runs_over(
    host: Host, url: str, redis: Redis
) -> None:
    worker = host.worker(processes=2, **AT_ONCE)
    members = worker.members()
    await start_stuck(url, redis.url, host.folder, [IN_PYTHON, IN_C])
    worker.process.terminate()
    worker.process.wait(60)
    assert not any(is_alive(pid) for pid in members)
    assert "in get_stuck" in worker.said, "it says what it was stuck in"
    host.worker()
    await until_done(url, 2)


async def test_a_stuck_process_makes_room_for_another_one_before_anybody_ends_it(
    host: Host, url: str, redis: Redis
) -> None:
    worker = host.worker(processes=2, HOLDFAST_ENGINE_STUCK_SECONDS="2")
    await start_stuck(url, redis.url, host.folder, [IN_PYTHON, IN_C])
    await until_done(url, 2)
    assert worker.process.poll() is None
    assert "in get_stuck" in worker.said
