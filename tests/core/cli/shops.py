"""Folders with shops whose workflows are those of an installed plugin, and processes of `holdfast` in them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CLOCKWORK = {"BEAT_SECONDS": "0.2", "LEASE_SECONDS": "1", "UNDO_ATTEMPTS": "1", "GRACE_SECONDS": "1"}


def open_shop(folder: Path, url: str, plugin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `folder` the current one, with a shop of the package `plugin` of these tests on the database `url`."""
    (folder / "holdfast.toml").write_text(f'plugins = ["{plugin}"]\n')
    installed = folder / f"{plugin}-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {plugin}\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[holdfast.plugins]\n{plugin} = tests.core.cli.{plugin}\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name, value in CLOCKWORK.items():
        monkeypatch.setenv(f"HOLDFAST_ENGINE_{name}", value)


def start(*arguments: str) -> "subprocess.Popen[str]":
    """Start `holdfast` with these arguments."""
    command = [sys.executable, "-m", "core.cli", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
