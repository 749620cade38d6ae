"""CPU time: of this process, and of the processes in which PostgreSQL serves one database."""

import time
from pathlib import Path
from typing import LiteralString, NamedTuple

import psutil
import psycopg

BACKENDS: LiteralString = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"""


class Spent(NamedTuple):
    """Seconds since some moment: on the clock, and of CPU."""

    elapsed: float
    client: float
    server: float

    def since(self, before: "Spent") -> "Spent":
        """Return what has been spent in between."""
        return Spent(*(now - then for now, then in zip(self, before, strict=True)))


class Backends:
    """The connections of a database as they are now; PostgreSQL has to run on this machine."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pids = self._connected()

    def spent(self) -> Spent:
        """Read the clocks."""
        return Spent(time.perf_counter(), time.process_time(), sum(map(_seconds, self._pids)))

    def check(self) -> None:
        """Raise `RuntimeError` if a connection came or went: what it used was not counted."""
        if self._connected() != self._pids:
            raise RuntimeError("connections came or went while they were measured")

    def _connected(self) -> set[int]:
        with psycopg.connect(self._url, autocommit=True) as connection:
            return {pid for (pid,) in connection.execute(BACKENDS)}


def _seconds(pid: int) -> float:
    # Linux counts nanoseconds there; what psutil reads is rounded to 10 ms for each process.
    exact = Path(f"/proc/{pid}/schedstat")
    if exact.exists():
        return int(exact.read_text().split()[0]) / 1e9
    used = psutil.Process(pid).cpu_times()
    return used.user + used.system
