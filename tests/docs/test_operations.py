"""The commands of the page on operations, run in its order as they are written, on a shop with all its parts."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from core.db.embedded import EmbeddedValkey, free_port
from core.db.embedded.account import server_account
from core.db.embedded.programs import postgres_programs
from core.testing import DatabaseServer
from core.testing.processes import answers

from .test_code_blocks import OPERATIONS, ROOT, blocks

LINES = "".join(blocks(OPERATIONS, "sh")).splitlines()
STAYING = ("holdfast api", "holdfast worker", "holdfast scheduler")
PATIENCE_SECONDS = 60


class Terminal:
    """A shell in a shop's folder, with a database, a Redis and ports of its own."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._folder = folder
        self._environ = environ
        self._ports = {"9000": str(free_port()), "9001": str(free_port())}
        self._environ["HOLDFAST_HTTP_PORT"] = self._ports["9000"]
        self._environ["HOLDFAST_JOBS_PORT"] = self._ports["9001"]
        self._staying: list[subprocess.Popen[bytes]] = []

    def run(self, line: str) -> None:
        """Run a line; commands that stay are left running."""
        if line.startswith(STAYING):
            self._staying.append(subprocess.Popen(["sh", "-c", f"exec {line}"], cwd=self._folder, env=self._environ))
        elif line.startswith("curl"):
            self._until_it_answers(re.sub(r".*:(\d+)(/\w+)$", self._here, line))
        else:
            done = subprocess.run(
                ["sh", "-c", line], cwd=self._folder, env=self._environ, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"

    def _here(self, found: re.Match[str]) -> str:
        return f"http://127.0.0.1:{self._ports[found[1]]}{found[2]}"

    def _until_it_answers(self, url: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not answers(url):
            assert time.monotonic() < deadline, url
            time.sleep(0.1)

    def close(self) -> None:
        """End what stays, in order."""
        for process in self._staying:
            process.terminate()
        assert [process.wait(PATIENCE_SECONDS) for process in self._staying] == [0] * len(self._staying)


@pytest.fixture
def terminal(tmp_path: Path, database_server: DatabaseServer) -> Generator[Terminal]:
    databases = [database_server.create() for _ in range(2)]
    (tmp_path / "holdfast.toml").write_bytes((ROOT / "holdfast.toml").read_bytes())
    folders = [str(Path(sys.executable).parent), str(postgres_programs(18, server_account()))]
    with EmbeddedValkey(tmp_path) as redis:
        environ = {
            **os.environ,
            "PATH": os.pathsep.join([*folders, os.environ["PATH"]]),
            "DATABASE_URL": databases[0].url,
            "RESTORED_URL": databases[1].url,
            "REDIS_URL": redis,
            "HOLDFAST_SECRET": "signs what this test makes, and no more",
            "HOLDFAST_DATABASE_POOL_SIZE": "4",
        }
        terminal = Terminal(tmp_path, environ)
        yield terminal
        terminal.close()
    for database in databases:
        database.drop()


def test_every_command_of_the_page_succeeds(terminal: Terminal) -> None:
    assert any(line.startswith("holdfast worker") for line in LINES)
    for line in LINES:
        terminal.run(line)
