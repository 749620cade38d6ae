"""What a request leaves to the background is done by the worker of `holdfast dev`, not by the API."""

import os
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from .listeners.work import DRIVERS
from .test_dev import PATIENCE_SECONDS, Dev

PLUGIN = "[holdfast.plugins]\nlisteners = tests.core.cli.listeners\n"


@pytest.fixture
def dev(pytestconfig: pytest.Config, tmp_path: Path, servers_folder: Path) -> Generator[Dev]:
    """The shop with a subscriber."""
    root = pytestconfig.rootpath
    (tmp_path / "holdfast.toml").write_text('plugins = ["listeners"]\n' + (root / "holdfast.toml").read_text())
    installed = tmp_path / "listeners-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: listeners\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(PLUGIN)
    path = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(root)])}
    with Dev(tmp_path, servers_folder / "heard", settings=path) as dev:
        yield dev
        dev.interrupt()


def heard(folder: Path) -> list[list[str]]:
    """Return which process heard of which booking, once somebody has."""
    drivers = folder / DRIVERS
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (drivers.exists() and drivers.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [line.split() for line in drivers.read_text().splitlines()]


def test_the_worker_drives_what_a_request_has_left_to_the_background(dev: Dev, tmp_path: Path):
    shop = dev.until_open()
    service, slots = next(shop.bookable())
    hold = shop.post("/store/bookings", {"service_id": service["id"], "start_at": slots[-1]["start_at"]})

    assert heard(tmp_path) == [[str(dev.worker().pid), hold["booking"]["id"]]]
    assert dev.worker().pid != dev.process.pid
