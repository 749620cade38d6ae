"""Serving, by processes whose requests get stuck."""

import socket
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from typing import IO
from urllib.parse import urlsplit

import psutil
import pytest

from core.cli.workers import KILL_MARGIN_SECONDS
from core.testing.processes import is_alive

from .programs import program
from .stuck import MARGIN_SECONDS


def serving(workers: int, stuck_seconds: float = 0) -> AbstractContextManager["subprocess.Popen[str]"]:
    """The program of `stuck.py`, in a group of its own."""
    return program([sys.executable, "-m", "tests.core.cli.stuck", str(workers), str(stuck_seconds)])


def get_stuck(output: IO[str], path: str) -> int:
    """Send a request that gets stuck; return the number of the process that is."""
    where = urlsplit(output.readline().strip())
    with socket.create_connection((where.hostname, where.port), timeout=60) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        return int(output.readline().removeprefix("stuck "))


@pytest.mark.parametrize(
    ("workers", "path", "patience", "says"),
    [
        (1, "/python", MARGIN_SECONDS, "in app"),
        (2, "/python", MARGIN_SECONDS, "in app"),
        (2, "/c", MARGIN_SECONDS + KILL_MARGIN_SECONDS, ""),
    ],
)
def test_a_stuck_request_does_not_keep_its_process_from_ending(workers: int, path: str, patience: float, says: str):
    with serving(workers) as process:
        assert process.stdout is not None
        stuck = get_stuck(process.stdout, path)
        while path == "/c" and psutil.Process(stuck).status() == psutil.STATUS_RUNNING:
            time.sleep(0.01)  # on its way there it would hear the signal
        members = [process.pid, *(child.pid for child in psutil.Process(process.pid).children())]
        assert stuck in members
        began = time.monotonic()
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert time.monotonic() - began >= patience
    assert not any(is_alive(pid) for pid in members)
    assert says in errors


@pytest.mark.parametrize("path", ["/python", "/c"])
def test_a_process_with_a_stuck_request_ends_by_itself_when_it_has_been_for_long(path: str):
    with serving(1, stuck_seconds=1) as process:
        assert process.stdout is not None
        get_stuck(process.stdout, path)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "in app" in errors
