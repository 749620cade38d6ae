"""The commands of the pages, run as they are written."""

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from core.db.embedded import free_port
from core.testing.processes import answers

from .test_code_blocks import OPERATIONS, PAGES, ROOT, TUTORIAL, blocks

PATIENCE_SECONDS = 120
OTHERS = [page for page in PAGES if page not in (TUTORIAL, OPERATIONS)]
LINES = sorted({line for page in OTHERS for line in "".join(blocks(page, "sh")).splitlines() if line})
COMMANDS = [shlex.split(line, comments=True) for line in LINES]


class Terminal:
    """A shell in the project's folder, its shop on a port and in a data folder of its own."""

    def __init__(self, data: Path) -> None:
        self.port = free_port()
        # The Makefile takes these from the environment, so that the commands stay as they are written.
        self.environ = {**os.environ, "PORT": str(self.port), "DATA": str(data), "ARGS": "--collect-only -q -n 0"}

    def run(self, command: list[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, cwd=ROOT, env=self.environ, capture_output=True, text=True, check=False)

    def start(self, command: list[str]) -> "subprocess.Popen[bytes]":
        nowhere = subprocess.DEVNULL
        return subprocess.Popen(
            command, cwd=ROOT, env=self.environ, stdout=nowhere, stderr=nowhere, start_new_session=True
        )


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Generator[Terminal]:
    """A terminal in which `make dev` runs, as the first page says."""
    assert ["make", "dev"] in COMMANDS
    terminal = Terminal(tmp_path_factory.mktemp("shop"))
    shop = terminal.start(["make", "dev"])
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not answers(f"http://127.0.0.1:{terminal.port}/store/bookings/services"):
        assert shop.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield terminal
    os.killpg(shop.pid, signal.SIGINT)
    shop.wait(PATIENCE_SECONDS)


def test_the_addresses_in_the_pages_answer(terminal: Terminal) -> None:
    urls = [word for command in COMMANDS if command[:1] == ["curl"] for word in command if "://" in word]
    assert urls
    for url in urls:
        assert answers(re.sub(r"//localhost:9000", f"//127.0.0.1:{terminal.port}", url)), url


@pytest.mark.parametrize(
    "command", [each for each in COMMANDS if each[:1] == ["make"] and each[1] in ("smoke", "test")], ids=" ".join
)
def test_a_command_in_the_pages_succeeds(terminal: Terminal, command: list[str]) -> None:
    result = terminal.run(command)
    assert result.returncode == 0, result.stdout + result.stderr


def test_nothing_else_is_promised() -> None:
    assert {command[0] for command in COMMANDS if command} == {"make", "curl"}
    assert {command[1] for command in COMMANDS if command[:1] == ["make"]} == {"dev", "test", "check", "smoke"}
