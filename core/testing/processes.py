"""Real processes for tests: `holdfast api` on a free port."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from .application import BEAT_SECONDS, SECRET

LISTENING = re.compile(r"^listening on http://127\.0\.0\.1:(\d+)$", re.MULTILINE)
POLL_SECONDS = 0.05


class ServerProcess:
    """`holdfast api` with `workers` processes on the database `url`, in a `with` block.

    Runs in `folder` (where `holdfast.toml` is, by default the current one); `environ` overrides the environment.
    `program` is the Python module that takes the command line of `holdfast`.
    """

    def __init__(
        self,
        url: str,
        *,
        workers: int = 1,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
        program: str = "core.cli",
        ready_seconds: float = 30,
        grace_seconds: float = 15,
    ) -> None:
        self.port = 0
        self._workers = workers
        self._folder = folder
        self._program = program
        self._ready_seconds = ready_seconds
        self._grace_seconds = grace_seconds
        self._environ = {
            **os.environ,
            "DATABASE_URL": url,
            "HOLDFAST_SECRET": SECRET,
            "HOLDFAST_ENGINE_BEAT_SECONDS": str(BEAT_SECONDS),
            **(environ or {}),
        }
        self._output: IO[bytes] | None = None
        self._said = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has written so far."""
        if self._output is None:
            return self._said
        descriptor = self._output.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode()

    @property
    def pid(self) -> int:
        """The process id of the main process; 0 when it does not run."""
        return self._process.pid if self._process else 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until `/ready` says so; raises `RuntimeError` with its log if it ends before."""
        self._spawn()
        if self._becomes_ready():
            return
        self.stop()
        raise RuntimeError(f"the server did not become ready:\n{self.log}")

    def stop(self) -> None:
        """Send SIGTERM and wait; what is left after the grace time is killed."""
        if self._process is None:
            return
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self._grace_seconds)
        self.kill()

    def kill(self) -> None:
        """Kill the main process and its workers at once."""
        if self._process is None or self._output is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        self._said = self.log
        self._output.close()
        self._output = None

    def _spawn(self) -> None:
        options = ["--host", "127.0.0.1", "--port", "0", "--workers", str(self._workers)]
        self._output = tempfile.TemporaryFile()  # noqa: SIM115, closed when it ends
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._program, "api", *options],
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
        )

    def _becomes_ready(self) -> bool:
        deadline = time.monotonic() + self._ready_seconds
        while self._process is not None and self._process.poll() is None and time.monotonic() < deadline:
            # Its own word on its port: a server of somebody else must not be taken for it.
            if said := LISTENING.search(self.log):
                self.port = int(said[1])
                if answers(f"{self.base_url}/ready"):
                    return True
            time.sleep(POLL_SECONDS)
        return False


def answers(url: str) -> bool:
    """Tell whether a GET of `url` gives 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310, an address of our own
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def is_alive(pid: int) -> bool:
    """Tell whether a process with that id runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
