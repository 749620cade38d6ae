import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import AbstractContextManager

import psutil
import pytest

from .programs import program

MAIN = r"""
import ctypes, os, signal, sys, time
from core.cli.workers import Workers
from core.errors import ConfigurationError

mutex, libc = ctypes.create_string_buffer(64), ctypes.PyDLL(None)

def work():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    # One write: print() may send number and line break apart, and then two workers' lines mix.
    os.write(1, f"{os.getpid()} {time.monotonic()}\n".encode())
    match sys.argv[1]:
        case "fails":
            raise SystemExit(3)
        case "is misconfigured":
            raise ConfigurationError("there is no time zone 'Mars/Phobos'\nnor a second line")
        case "breaks":
            raise ValueError("at once")
        case "holds the interpreter":
            for _ in range(2):
                libc.pthread_mutex_lock(mutex)
    signal.pause()

if sys.argv[1] == "has another child" and os.fork() == 0:
    os._exit(1)
sys.exit(Workers(work, 2, patience=float(sys.argv[2])).run())
"""
PATIENCE_SECONDS = 60
SHORT_PATIENCE_SECONDS = 1
STARTED = re.compile(r"\d+ [\d.]+\n")


@pytest.fixture
def main() -> Generator["subprocess.Popen[str]"]:
    with start("pauses") as process:
        yield process


def start(how: str, patience: float = PATIENCE_SECONDS) -> AbstractContextManager["subprocess.Popen[str]"]:
    return program([sys.executable, "-c", MAIN, how, str(patience)])


def next_start(main: "subprocess.Popen[str]") -> tuple[int, float]:
    """Return the number of the worker that starts next, and when it does; log lines of the main process lie between."""
    if main.stdout is None:
        raise ValueError("no output")
    number, at = next(line for line in main.stdout if STARTED.fullmatch(line)).split()
    return int(number), float(at)


def next_worker(main: "subprocess.Popen[str]") -> psutil.Process:
    return psutil.Process(next_start(main)[0])


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


def test_takes_no_other_child_for_a_worker():
    with start("has another child") as main:
        workers = [next_worker(main), next_worker(main)]
        main.terminate()
        said, errors = main.communicate(timeout=10)
    assert (main.returncode, said, errors) == (0, "", "")
    assert not any(worker.is_running() for worker in workers)


def test_says_once_in_one_line_why_workers_cannot_start():
    with start("is misconfigured") as main:
        said, errors = main.communicate(timeout=10)
    assert main.returncode == 1
    assert errors.splitlines()[-1].endswith("ConfigurationError: there is no time zone 'Mars/Phobos'")
    assert (said + errors).count("Mars/Phobos") == 1


def test_workers_that_die_of_their_start_are_replaced_more_and_more_slowly():
    with start("breaks") as main:
        starts = sorted(next_start(main)[1] for _ in range(6))
        main.terminate()
        main.communicate(timeout=10)
    assert main.returncode == 0
    assert starts[2] - starts[1] > 0.9
    assert starts[4] - starts[3] > 1.9


def test_kills_workers_that_hear_no_signal_after_their_time():
    with start("holds the interpreter", SHORT_PATIENCE_SECONDS) as main:
        workers = [next_worker(main), next_worker(main)]
        while any(worker.status() == psutil.STATUS_RUNNING for worker in workers):
            time.sleep(0.01)  # on their way there they would hear the signal
        began = time.monotonic()
        main.terminate()
        said, _ = main.communicate(timeout=10)
    assert time.monotonic() - began >= SHORT_PATIENCE_SECONDS
    assert main.returncode == 0
    assert "workers_killed" in said
    assert not any(worker.is_running() for worker in workers)
