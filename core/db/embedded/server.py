"""A server of our own: started once per folder, found again after a crash, stopped by its last user."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from .account import server_account
from .errors import EmbeddedFailed
from .home import server_home, write_whole
from .locks import exclusive, share, unheld
from .processes import end, processes_in

START_SECONDS = 60.0
"""How long a new server may take: a slow disk with a journal to replay."""
ATTEMPTS = 5
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}
"""All that a server sees of our environment: English messages, and none of the caller's PG* settings."""


def free_port() -> int:
    """A TCP port of the loopback interface that was free a moment ago."""
    # Below what Linux and macOS give to outgoing connections: one of those would take the port before its server does.
    candidates = random.sample(range(20000, 32000), 100)
    return next(port for port in candidates if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class EmbeddedServer(ABC):
    """What PostgreSQL and Valkey have in common; several processes may use one folder at once."""

    program: ClassVar[str]
    signals: ClassVar[Sequence[tuple[signal.Signals, float]]]
    launched: ClassVar[list["subprocess.Popen[bytes]"]] = []
    """Servers outlive the object that started them; kept, lest the interpreter warn of a child that still runs."""

    def __init__(self, data_dir: Path, name: str) -> None:
        self.account = server_account()
        self.home = server_home(data_dir, name, self.account)
        self.data = (self.home / "data").resolve()
        self.log_path = self.home / f"{self.program}.log"
        self.pick_port: Callable[[], int] = free_port
        self.patience = 15.0
        """Seconds that a server found running may stay silent before it is killed and replaced."""
        self._share: int | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Make what the server needs before its first start; called under the lock, at every start."""

    @abstractmethod
    def command(self, port: int) -> list[str]:
        """The command line that serves `port` in the foreground."""

    @abstractmethod
    def answers(self, port: int) -> bool:
        """Whether our own server is ready on `port`."""

    @abstractmethod
    def url(self, port: int) -> str:
        """How a client connects."""

    def start(self) -> str:
        """Find the folder's server running or start it; returns its URL. Raises `EmbeddedFailed`."""
        with exclusive(self.home / "start.lock"):
            self.prepare()
            port = self._find() or self._launch()
            if self._share is None:
                self._share = share(self.home / "users.lock")
        return self.url(port)

    def stop(self) -> None:
        """End the server, unless another process still uses it; no process of it is left afterwards."""
        with exclusive(self.home / "start.lock"):
            if self._share is not None:
                os.close(self._share)
                self._share = None
            if unheld(self.home / "users.lock"):
                self._end()

    def remove(self) -> None:
        """Stop, and delete all that the server kept; for tests."""
        self.stop()
        shutil.rmtree(self.home)

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _end(self) -> None:
        end(self.data, self.program, self.signals)
        for process in self.launched:
            process.poll()

    def _find(self) -> int | None:
        """The port of a server that is running already; one that stays silent is killed, unless others use it."""
        noted = self.home / "port"
        deadline = time.monotonic() + self.patience
        while noted.exists() and processes_in(self.data, self.program) and time.monotonic() < deadline:
            if self.answers(port := int(noted.read_text())):
                return port
            time.sleep(0.05)
        if processes_in(self.data, self.program) and not unheld(self.home / "users.lock"):
            raise EmbeddedFailed(f"{self.program} in {self.home} is in use but does not answer; see {self.log_path}")
        end(self.data, self.program, ())
        return None

    def _launch(self) -> int:
        for _ in range(ATTEMPTS):
            port = self.pick_port()
            write_whole(self.home / "port", str(port))
            begin = self.log_path.stat().st_size if self.log_path.exists() else 0
            if self._spawn(port):
                return port
            said = self.log_path.read_bytes()[begin:].decode(errors="replace")
            if "Address already in use" not in said:
                raise EmbeddedFailed(f"{self.program} did not start; the end of {self.log_path}:\n{said[-2000:]}")
        raise EmbeddedFailed(f"{self.program} found no free port in {ATTEMPTS} attempts")

    def _spawn(self, port: int) -> bool:
        """Start the server in a session of its own, where a terminal's Ctrl-C does not reach it."""
        with self.log_path.open("ab") as log:
            process = subprocess.Popen(
                self.command(port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.data,
                env=ENVIRONMENT,
                start_new_session=True,
                umask=0o077,
                **self.account.identity,
            )
        self.launched.append(process)
        try:
            return self._becomes_ready(process, port)
        except BaseException:
            self._end()
            raise

    def _becomes_ready(self, process: "subprocess.Popen[bytes]", port: int) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None:
            if self.answers(port):
                return True
            if time.monotonic() > deadline:
                raise EmbeddedFailed(f"{self.program} was not ready after {START_SECONDS:.0f} s; see {self.log_path}")
            time.sleep(0.02)
        return False
