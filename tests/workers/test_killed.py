"""Worker processes are killed at any moment: others go on where they were."""

import asyncio
import os
import random
import re
import signal

import psycopg

from .chaos.workflows import CRASH, GATE, KNOCKED, kill_process, knock_twice, place_behind_gate
from .conftest import Redis, flush, producing
from .host import Host, Program
from .load import orders, start_all
from .truth import EFFECTS, EVENTS, check, is_refused, until_all_finished, until_finished

ORDERS = 2000
KILLS = 8
PROCESSES = 3
PATIENCE_SECONDS = 30
TOGETHER = 6
POISONED = 5
PARKED = re.compile(r"poison_run.*run_parked|run_parked.*poison_run")
WORKER_ENDED = re.compile('"event":"worker_ended"')


async def a_member(worker: Program) -> int:
    """Return one of the processes, once there is one."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (pids := worker.members()):  # noqa: ASYNC110, others' processes
            await asyncio.sleep(0.02)
    return random.choice(pids)


async def test_every_order_is_done_once_although_workers_are_killed_at_random(
    host: Host, url: str, redis: Redis
) -> None:
    worker = host.worker(processes=PROCESSES)
    async with producing(url, redis.url) as app, orders(app, ORDERS) as done:
        for kill in range(KILLS):
            await done((kill + 1) / (KILLS + 2))
            os.kill(await a_member(worker), signal.SIGKILL)
    check(url, range(ORDERS))
    assert worker.said.count('"event":"run_taken_over"') > 0
    assert len(WORKER_ENDED.findall(worker.said)) > 1


async def test_a_run_that_kills_its_processes_does_not_take_others_with_it_for_ever_and_is_parked(
    host: Host, url: str, redis: Redis
) -> None:
    async with producing(url, redis.url) as app:
        await start_all(app, range(TOGETHER), place_behind_gate)
        await start_all(app, [1], kill_process)
    await flush(redis.url)  # one sweep takes all of them up
    (host.folder / GATE).touch()
    worker = host.start("worker", "--processes", "2", HOLDFAST_ENGINE_POISON_DEATHS=str(POISONED))
    await asyncio.to_thread(until_all_finished, url, TOGETHER)
    await asyncio.to_thread(worker.until_it_says, PARKED)
    assert len(WORKER_ENDED.findall(worker.said)) == POISONED
    check(url, range(TOGETHER))


async def test_an_event_goes_out_although_its_process_dies_between_commit_and_hint(
    host: Host, url: str, redis: Redis
) -> None:
    async with producing(url, redis.url) as app:
        await start_all(app, [1])
        dying = host.start("worker", **{CRASH: "after-end-commit"})
        assert await asyncio.to_thread(dying.process.wait, PATIENCE_SECONDS) == -signal.SIGKILL
        await asyncio.to_thread(until_finished, url, 1)
        host.worker()
        await asyncio.to_thread(until_all_finished, url, 1)
    check(url, [1])


async def test_events_of_an_external_step_go_out_once_although_its_first_attempt_killed_the_process(
    host: Host, url: str, redis: Redis
) -> None:
    async with producing(url, redis.url) as app:
        await start_all(app, [1], knock_twice)
        host.start("worker", "--processes", "2")
        await asyncio.to_thread(until_all_finished, url, 1, ["chaos-knock"])
    assert (host.folder / KNOCKED).exists()
    with psycopg.connect(url) as connection:
        assert sorted(connection.execute(EVENTS).fetchall()) == [(1,), (2,)]
        assert sorted(connection.execute(EFFECTS).fetchall()) == [("told", 1), ("told", 2)]


async def test_no_event_goes_out_of_an_order_that_is_undone_by_another_process(
    host: Host, url: str, redis: Redis
) -> None:
    refused = 9
    assert is_refused(refused)
    async with producing(url, redis.url) as app:
        await start_all(app, [refused])
        dying = host.start("worker", **{CRASH: "before-undo-commit"})
        assert await asyncio.to_thread(dying.process.wait, PATIENCE_SECONDS) == -signal.SIGKILL
        host.worker()
        await asyncio.to_thread(until_all_finished, url, 1)
    check(url, [refused])
