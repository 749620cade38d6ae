"""Real processes for tests: `holdfast api` on a free port."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from ..db.embedded import free_port
from .application import BEAT_SECONDS, SECRET

ATTEMPTS = 3
POLL_SECONDS = 0.05


class ServerProcess:
    """`holdfast api` with `workers` processes on the database `url`, in a `with` block.

    Runs in `folder` (where `holdfast.toml` is, by default the current one); `environ` overrides the environment.
    """

    def __init__(
        self,
        url: str,
        *,
        workers: int = 1,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
        ready_seconds: float = 30,
        grace_seconds: float = 15,
    ) -> None:
        self.port = 0
        self._workers = workers
        self._folder = folder
        self._ready_seconds = ready_seconds
        self._grace_seconds = grace_seconds
        self._environ = {
            **os.environ,
            "DATABASE_URL": url,
            "HOLDFAST_SECRET": SECRET,
            "HOLDFAST_ENGINE_BEAT_SECONDS": str(BEAT_SECONDS),
            **(environ or {}),
        }
        self._log = Path()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text() if self._log.is_file() else ""

    @property
    def pid(self) -> int:
        """The process id of the main process; 0 when it does not run."""
        return self._process.pid if self._process else 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        self._log.unlink(missing_ok=True)

    def start(self) -> None:
        """Start it and wait until `/ready` says so; raises `RuntimeError` with its log if it ends before."""
        for _ in range(ATTEMPTS):
            self.port = free_port()
            self._spawn()
            if self._becomes_ready():
                return
            self.stop()
            if "in use" not in self.log:
                break
        raise RuntimeError(f"the server did not become ready:\n{self.log}")

    def stop(self) -> None:
        """Send SIGTERM and wait; what is left after the grace time is killed."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(self._grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Kill the main process and its workers at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _spawn(self) -> None:
        handle, name = tempfile.mkstemp(prefix="holdfast-api-", suffix=".log")
        self._log.unlink(missing_ok=True) if self._log.is_file() else None
        self._log = Path(name)
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", str(self._workers)]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "core.cli", "api", *options],
                cwd=self._folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=handle,
                start_new_session=True,
            )
        finally:
            os.close(handle)

    def _becomes_ready(self) -> bool:
        deadline = time.monotonic() + self._ready_seconds
        while self._process is not None and self._process.poll() is None and time.monotonic() < deadline:
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
