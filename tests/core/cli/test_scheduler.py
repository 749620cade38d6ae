"""`holdfast scheduler`, as a process of its own."""

import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from .shops import open_shop, start

MISSED = re.compile(r'^holdfast_job_missed_ticks\{job="sweep-floor"\} [2-9]', re.MULTILINE)


@pytest.fixture
def url(core_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    open_shop(tmp_path, core_database_url, "chores", monkeypatch)
    return core_database_url


def queued(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM workflow_run WHERE workflow = 'sweep-floor'").fetchone()
    return row[0] if row else 0


def until(done: Callable[[], bool]) -> None:
    for _ in range(1000):
        if done():
            return
        time.sleep(0.02)
    raise TimeoutError


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_starts_due_jobs_for_the_workers_and_ends_when_told_to(url: str, number: signal.Signals):
    with start("scheduler") as process:
        assert line(process) == "scheduling\n"
        until(lambda: queued(url) == 1)
        process.send_signal(number)
        said, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert '"event":"tick_started"' in said
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT status FROM workflow_run").fetchall() == [("queued",)]
        assert connection.execute("SELECT count(*) FROM workflow_process").fetchone() == (0,)


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_says_over_http_whether_it_still_looks(url: str):
    with start("scheduler", "--port", "0") as process, psycopg.connect(url, autocommit=True) as connection:
        address = line(process).removeprefix("listening on ").strip()
        assert line(process) == "scheduling\n"
        assert get(f"{address}/health") == (200, '{"status":"ok"}')
        until(lambda: queued(url) == 1)
        # The run waits for a worker, and holds up the next ticks.
        until(lambda: MISSED.search(get(f"{address}/metrics")[1]) is not None)
        connection.execute("ALTER TABLE scheduled_job RENAME TO away")
        until(lambda: get(f"{address}/health") == (503, '{"status":"late"}'))
        connection.execute("ALTER TABLE away RENAME TO scheduled_job")
        until(lambda: get(f"{address}/health")[0] == 200)
        assert "holdfast_job_last_tick_timestamp_seconds" in get(f"{address}/metrics")[1]
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_shop_in_no_time_zone_is_told_at_once(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOLDFAST_SHOP_TIMEZONE", "Mars/Phobos")
    with start("scheduler") as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Mars/Phobos" in errors
