"""`holdfast worker` as whoever runs it meets it."""

import asyncio
import re
import signal
import socket
import urllib.error
import urllib.request

import psycopg
import pytest
from sqlalchemy import make_url

from .conftest import Redis, producing
from .host import LISTENING, Host
from .load import orders
from .truth import check

SCHEDULED = "SELECT count(*) FROM scheduled_job"
MISSED = re.compile('"event":"beat_missed"')
STOPPED = re.compile('"event":"worker_stopped"')
RUNS_DONE = re.compile(
    r'^holdfast_workflow_runs_ended_total\{state="done",workflow="chaos-order"\} ([\d.]+)$', re.MULTILINE
)


def get(url: str, **headers: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, ""


def test_wants_a_redis(host: Host):
    worker = host.start("worker", REDIS_URL="")
    assert worker.process.wait(30) == 1
    assert worker.said == "holdfast: REDIS_URL is not set: workers hear of their work through Redis\n"


def test_a_port_in_use_is_told_before_anything_starts(host: Host):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        worker = host.start("worker", "--port", str(port))
        assert worker.process.wait(30) == 1
        assert f"cannot listen on 127.0.0.1 port {port}" in worker.said


@pytest.mark.parametrize("processes", ["1", "2"])
def test_says_once_why_its_processes_cannot_start_and_ends(host: Host, processes: str):
    worker = host.start("worker", "--processes", processes, HOLDFAST_SHOP_TIMEZONE="Mars/Phobos")
    assert worker.process.wait(30) == 1
    assert "holdfast: there is no time zone 'Mars/Phobos'\n" in worker.said
    assert worker.said.count("Mars/Phobos") == 1
    assert "Traceback" not in worker.said


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_database_that_is_away_at_the_start_is_waited_for(host: Host, url: str, redis: Redis, processes: int):
    name = make_url(url).database
    with psycopg.connect(f"{url.rpartition('/')[0]}/postgres", autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} RENAME TO away".encode())
        try:
            worker = host.worker(processes=processes)
            worker.until_it_says(MISSED, 3 * processes)
        finally:
            server.execute(f"ALTER DATABASE away RENAME TO {name}".encode())
    async with producing(url, redis.url) as app, orders(app, 20):
        pass
    assert "worker_ended" not in worker.said


async def test_each_process_answers_for_all_of_them(host: Host, url: str, redis: Redis):
    worker = host.worker("--port", "0", processes=2)
    [address] = worker.until_it_says(LISTENING)
    async with producing(url, redis.url) as app, orders(app, 40):
        pass

    counts = {RUNS_DONE.findall(get(f"{address}/metrics")[1])[0] for _ in range(20)}

    assert counts == {"36.0"}
    assert get(f"{address}/health") == (200, '{"status":"ok"}')
    assert get(f"{address}/metrics", **{"X-Forwarded-For": "10.0.0.1"})[0] == 404
    assert get(f"{address}/nothing")[0] == 404
    assert worker.ends() == 0
    assert len(STOPPED.findall(worker.said)) == 2


async def test_schedules_jobs_unless_told_not_to(host: Host, url: str, redis: Redis):
    host.worker("--no-scheduler")
    with psycopg.connect(url, autocommit=True) as connection:
        async with producing(url, redis.url) as app, orders(app, 20):
            pass
        assert connection.execute(SCHEDULED).fetchall() == [(0,)]
        host.worker()
        async with asyncio.timeout(30):
            while connection.execute(SCHEDULED).fetchall() == [(0,)]:  # noqa: ASYNC110, rows
                await asyncio.sleep(0.05)


async def test_listens_to_the_queues_that_are_named(host: Host, url: str, redis: Redis):
    other = host.worker("--port", "0", "--queues", "others", HOLDFAST_ENGINE_QUEUED_SECONDS="3600")
    mine = host.worker("--port", "0", "--queues", "more", "--queues", "runs", HOLDFAST_ENGINE_QUEUED_SECONDS="3600")
    async with producing(url, redis.url) as app, orders(app, 20):
        pass
    check(url, range(20))
    done = [RUNS_DONE.findall(get(f"{each.until_it_says(LISTENING)[0]}/metrics")[1]) for each in (other, mine)]
    assert done == [[], ["18.0"]]


def test_two_signals_to_the_whole_group_end_it_as_well(host: Host):
    worker = host.worker(processes=2)
    for number in (signal.SIGTERM, signal.SIGINT):
        worker.signal_all(number)
    assert worker.process.wait(30) == 0


def test_no_process_outlives_the_main_one(host: Host):
    worker = host.worker(processes=2)
    members = worker.members()
    worker.process.kill()
    worker.process.wait()
    worker.until_gone(members)
