"""A process that is told to end: when it hears of it, and what happens if it does not end."""

import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

import pytest

PROGRAM = r"""
import asyncio, sys, uvloop
from core.shutdown import told_to_end

async def main(how, patience, stuck):
    told = told_to_end(patience, stuck=stuck)
    print("ready", flush=True)
    while how == "stuck":
        pass
    await told.wait()
    print("told", flush=True)
    if how == "slow":
        await asyncio.sleep(600)

run = uvloop.run if sys.argv[1] == "uvloop" else asyncio.run
run(main(sys.argv[2], float(sys.argv[3]), float(sys.argv[4])))
"""
LONG, SHORT = 600.0, 1.0


@contextmanager
def program(
    how: str, patience: float = LONG, loop: str = "uvloop", stuck: float = 0
) -> Generator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", PROGRAM, loop, how, str(patience), str(stuck)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_program_hears_that_it_is_to_end(loop: str, number: signal.Signals):
    with program("idle", loop=loop) as process:
        process.send_signal(number)
        said, errors = process.communicate(timeout=20)
    assert (process.returncode, said, errors) == (0, "told\n", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("how", ["stuck", "slow"])
def test_a_program_that_does_not_end_in_its_time_is_ended_and_says_where_it_was(how: str, number: signal.Signals):
    with program(how, SHORT) as process:
        began = time.monotonic()
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    assert time.monotonic() - began >= SHORT
    assert process.returncode == 1
    assert "Timeout" in errors
    assert 'File "<string>"' in errors


def test_to_be_told_again_does_not_put_the_end_off():
    with program("slow", SHORT) as process:
        until = time.monotonic() + 20
        while process.poll() is None:
            assert time.monotonic() < until
            process.terminate()
            time.sleep(SHORT / 10)
    assert process.returncode == 1


def test_a_program_whose_loop_stands_still_for_too_long_is_ended_and_says_where_it_was():
    with program("stuck", stuck=SHORT) as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert 'File "<string>"' in errors


def test_a_program_that_waits_is_not_taken_for_stuck():
    with program("idle", stuck=SHORT) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3 * SHORT)
        process.terminate()
        assert process.wait(20) == 0


def test_a_program_that_is_told_to_end_has_its_time_for_it_however_soon_it_would_be_taken_for_stuck():
    with program("slow", 3 * SHORT, stuck=SHORT) as process:
        began = time.monotonic()
        process.terminate()
        process.communicate(timeout=20)
    assert time.monotonic() - began >= 3 * SHORT
