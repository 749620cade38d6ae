import signal
import subprocess
import sys
from collections.abc import Generator

import psutil
import pytest

MAIN = r"""
import os, signal, sys
from core.cli.workers import Workers

def work():
    # One write: print() may send number and line break apart, and then two workers' lines mix.
    os.write(1, f"{os.getpid()}\n".encode())
    if sys.argv[1] == "fails":
        raise SystemExit(3)
    signal.pause()

sys.exit(Workers(work, 2).run())
"""


@pytest.fixture
def main() -> Generator["subprocess.Popen[str]"]:
    with start("pauses") as process:
        yield process
        process.kill()


def start(how: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", MAIN, how], stdout=subprocess.PIPE, text=True)


def next_worker(main: "subprocess.Popen[str]") -> psutil.Process:
    """Return the worker that says its number next; log lines of the main process lie between."""
    if main.stdout is None:
        raise ValueError("no output")
    return next(psutil.Process(int(line)) for line in main.stdout if line.strip().isdigit())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_all_workers_when_told_to_end(main: "subprocess.Popen[str]", number: signal.Signals):
    workers = [next_worker(main), next_worker(main)]

    main.send_signal(number)

    assert main.wait(10) == 0
    assert psutil.wait_procs(workers, timeout=10)[1] == []


def test_replaces_a_worker_that_died(main: "subprocess.Popen[str]"):
    died, stays = next_worker(main), next_worker(main)

    died.kill()
    replacement = next_worker(main)

    assert stays.is_running()
    main.terminate()
    assert main.wait(10) == 0
    assert psutil.wait_procs([stays, replacement], timeout=10)[1] == []


def test_workers_do_not_outlive_a_killed_main_process(main: "subprocess.Popen[str]"):
    workers = [next_worker(main), next_worker(main)]

    main.kill()

    assert psutil.wait_procs(workers, timeout=10)[1] == []


def test_gives_up_when_workers_cannot_start():
    with start("fails") as main:
        assert main.wait(10) == 1
