"""A machine of the shop: processes of `holdfast` in a working folder of their own."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from core.testing.processes import is_alive

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60
POLL_SECONDS = 0.05
READY = re.compile(r'"pid":(\d+),"event":"worker_ready"')
LISTENING = re.compile(r"^listening on (http://[\d.]+:\d+)$", re.MULTILINE)
PLUGIN = "[holdfast.plugins]\nchaos = tests.workers.chaos\n"
SETTINGS = {
    "HOLDFAST_SECRET": "signs what these tests make, and no more",
    "HOLDFAST_DATABASE_POOL_SIZE": "8",
    "HOLDFAST_ENGINE_BEAT_SECONDS": "0.5",
    "HOLDFAST_ENGINE_LEASE_SECONDS": "2",
    "HOLDFAST_ENGINE_QUEUED_SECONDS": "1",
    "HOLDFAST_ENGINE_GRACE_SECONDS": "5",
}


class Program:
    """A command that runs, with what it has said."""

    def __init__(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        self._log = folder / f"{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def until_it_says(self, what: re.Pattern[str], times: int = 1) -> list[str]:
        """Wait until it has said so; return all that was found."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(found := what.findall(self.said)) < times:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(POLL_SECONDS)
        return found

    def members(self) -> list[int]:
        """The processes that do the work, which have a parent that does nothing else."""
        children = psutil.Process(self.process.pid).children()
        return [child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE]

    def ends(self) -> int:
        """Ask the main process to end, and wait until it does; return its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE_SECONDS)

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to all its processes, as a terminal does."""
        os.killpg(self.process.pid, number)

    def until_gone(self, pids: Sequence[int]) -> None:
        """Wait until these processes have ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(is_alive(pid) for pid in pids):
            assert time.monotonic() < deadline, self.said
            time.sleep(POLL_SECONDS)

    def kill(self) -> None:
        """Kill it and its children at once; what has ended already is left alone."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Host:
    """Starts `holdfast api` and `holdfast worker`; in a `with` block, at the end of which all of them are killed."""

    def __init__(
        self,
        folder: Path,
        url: str,
        redis_url: str,
        *,
        address: str = "127.0.0.1",
        inside: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.address = address
        self._inside = inside
        """A command that runs the others where this host is."""
        self._programs: list[Program] = []
        path = os.pathsep.join(map(str, (folder, ROOT)))
        self._environ = {**os.environ, **SETTINGS, "PYTHONPATH": path, "DATABASE_URL": url, "REDIS_URL": redis_url}
        self._environ |= environ or {}
        installed = folder / "chaos-1.0.dist-info"
        installed.mkdir(parents=True)
        (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: chaos\nVersion: 1.0\n")
        (installed / "entry_points.txt").write_text(PLUGIN)
        (folder / "holdfast.toml").write_text('plugins = ["chaos"]\n' + (ROOT / "holdfast.toml").read_text())

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *_: object) -> None:
        for program in self._programs:
            program.kill()

    def start(self, *arguments: str, **environ: str) -> Program:
        """Start `holdfast` with these arguments."""
        command = [*self._inside, sys.executable, "-m", "core.cli", *arguments]
        self._programs.append(Program(command, self.folder, {**self._environ, **environ}))
        return self._programs[-1]

    def worker(self, *arguments: str, processes: int = 1, **environ: str) -> Program:
        """Start `holdfast worker` and wait until it works."""
        program = self.start("worker", "--processes", str(processes), *arguments, **environ)
        program.until_it_says(READY, processes)
        return program

    def api(self) -> tuple[Program, str]:
        """Start `holdfast api`; return also where it listens."""
        program = self.start("api", "--host", self.address, "--port", "0")
        return program, program.until_it_says(LISTENING)[0]
