import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.cli import main

from ..shops import open_shop

Holdfast = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def url(core_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database of a shop of sagas; the test works in its folder."""
    open_shop(tmp_path, core_database_url, "sagas", monkeypatch)
    return core_database_url


@pytest.fixture
def holdfast() -> Holdfast:
    """`holdfast(*arguments)` runs the command to its end, in a process of its own."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "core.cli", "runs", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.fixture
def inside() -> Callable[..., Result]:
    """The same, in this process: where the command only reads."""
    return lambda *arguments: CliRunner().invoke(main, ["runs", *arguments], prog_name="holdfast")
