"""`boot`: from the command to the first answer, and the memory of the process then."""

import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from statistics import median

import psutil

from core.db.embedded import free_port
from core.testing.application import SECRET

from .bare import Recorded
from .figures import ROUNDS, Figure, compare, say
from .ground import ROOT, Ground, bare_api, wait_until_it_answers

MEBIBYTE = 2**20


async def boot(ground: Ground) -> AsyncGenerator[Figure]:
    """Start `holdfast api` on a database that is ready, in turn with the bare route."""
    found: dict[str, list[tuple[float, float]]] = {"api": [], "bare_route": []}
    with ground.database() as database:
        for _ in range(ROUNDS):
            found["api"].append(_start_api(database.url))
            found["bare_route"].append(_start_bare(ground, database.url))
            say(f"  api {found['api'][-1]}, bare route {found['bare_route'][-1]}")
    for bench, unit, at in (("boot", "s", 0), ("boot_memory", "MiB", 1)):
        value, floor = (median(each[at] for each in measured) for measured in found.values())
        for figure in compare(bench, unit, value, {"bare_route": floor}):
            yield figure


def _start_api(url: str) -> tuple[float, float]:
    """Return seconds to the first 200 and the resident memory in MiB."""
    port = free_port()
    environ = {**os.environ, "DATABASE_URL": url, "HOLDFAST_SECRET": SECRET}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "core.cli", "api", "--port", str(port)],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}/store/bookings/services", process)
        return time.perf_counter() - began, _memory(process.pid)
    finally:
        process.terminate()
        process.wait()


def _start_bare(ground: Ground, url: str) -> tuple[float, float]:
    began = time.perf_counter()
    with bare_api(url, ground.config, Recorded(hold=[], availability={}, minutes=0)) as bare:
        return time.perf_counter() - began, _memory(bare.pid)


def _memory(pid: int) -> float:
    return psutil.Process(pid).memory_info().rss / MEBIBYTE
