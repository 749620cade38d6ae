"""`holdfast dev` as a developer meets it: real processes, in a terminal of their own."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Self

import psutil
import psycopg
import pytest
from click.testing import CliRunner

from api.storefront import Storefront
from core.cli import main
from core.db.embedded import free_port
from core.testing.processes import answers

PATIENCE_SECONDS = 60
SETTINGS = ("DATABASE_URL", "REDIS_URL", "HOLDFAST_SECRET")


class Dev:
    """A running `holdfast dev`."""

    def __init__(
        self, root: Path, data: Path, *, port: int | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self.data = data
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = tempfile.TemporaryFile()  # noqa: SIM115, closed when the shop is
        self.process = subprocess.Popen(
            [sys.executable, "-m", "core.cli", "dev", "--port", str(self.port), "--data-dir", str(data)],
            cwd=root,
            env={name: value for name, value in os.environ.items() if name not in SETTINGS} | dict(settings or {}),
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.output.close()

    def said(self) -> str:
        descriptor = self.output.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode()

    def until_it_says(self, text: str) -> str:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)
        return self.said()

    def until_open(self) -> Storefront:
        self.until_it_says("-d '{")
        return Storefront(self.url)

    def interrupt(self) -> int:
        """Press Ctrl-C: a terminal sends it to the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(PATIENCE_SECONDS)

    def processes(self) -> list[psutil.Process]:
        """Everything that this shop started: its session, and the servers, which have sessions of their own."""
        return [each for each in psutil.process_iter() if self._is_ours(each)]

    def worker(self) -> psutil.Process:
        """The worker, once it works."""
        found = re.search(r'"pid":(\d+),"event":"worker_ready"', self.until_it_says("worker_ready"))
        assert found
        return psutil.Process(int(found[1]))

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return os.getsid(process.pid) == self.process.pid or Path(process.cwd()).is_relative_to(self.data)
        except (psutil.Error, ProcessLookupError, OSError):
            return False


@pytest.fixture(scope="module")
def root(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.rootpath


@pytest.fixture(scope="module")
def dev(root: Path, servers_folder: Path) -> Generator[Dev]:
    with Dev(root, servers_folder / "shop") as dev:
        dev.until_open()
        yield dev
        dev.interrupt()


def refusal(root: Path, data: Path, port: int) -> str:
    with Dev(root, data, port=port) as second:
        assert second.process.wait(PATIENCE_SECONDS) == 1
        return second.said()


def test_answers_in_an_empty_folder_with_something_to_book(dev: Dev):
    shop = Storefront(dev.url)

    services = shop.get("/store/bookings/services")["services"]
    assert len(services) >= 7
    assert next(shop.bookable(), None) is not None
    assert answers(f"{dev.url}/schema")
    assert shop.get("/ready")["redis"] == "ok"


def test_prints_commands_that_can_be_pasted(dev: Dev):
    said = dev.said()
    commands = re.findall(r"^  (curl .*)$", said, re.MULTILINE)
    assert f"  shop     {dev.url}/store/bookings/services" in said
    assert f"  OpenAPI  {dev.url}/schema" in said

    services, availability, hold = [json.loads(subprocess.check_output(shlex.split(line))) for line in commands]

    assert services["services"]
    assert any(slot["available"] for slot in availability["slots"])
    assert hold["booking"]["status"] == "held"


def test_the_smoke_test_books_confirms_moves_and_cancels(dev: Dev):
    result = CliRunner().invoke(main, ["smoke", "--url", dev.url])

    steps = [line.split()[0] for line in result.stdout.splitlines()]
    assert steps == ["found", "held", "confirmed", "confirmed", "cancelled", "free"]
    assert result.exit_code == 0


def test_a_second_one_in_the_same_folder_is_refused(dev: Dev, root: Path):
    said = refusal(root, dev.data, free_port())

    assert said == f"holdfast: another `holdfast dev` uses {dev.data}; take another one with --data-dir\n"
    assert answers(f"{dev.url}/ready")


def test_a_port_in_use_is_told_before_anything_is_made(root: Path, servers_folder: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        said = refusal(root, servers_folder / "none", port)

    assert said == f"holdfast: cannot listen on 127.0.0.1 port {port}: Address already in use; try --port\n"
    assert not (servers_folder / "none").exists()


def test_ctrl_c_leaves_no_process_and_the_next_start_has_kept_everything(root: Path, servers_folder: Path):
    data = servers_folder / "kept"
    with Dev(root, data) as first:
        shop = first.until_open()
        service, slots = next(shop.bookable())
        hold = shop.post("/store/bookings", {"service_id": service["id"], "start_at": slots[-1]["start_at"]})
        assert len(first.processes()) > 3

        assert first.interrupt() == 0

        assert first.processes() == []
        assert "Traceback" not in first.said()

    with Dev(root, data) as second:
        path = f"/store/bookings/{hold['booking']['id']}"
        again = second.until_open().get(path, token=hold["manage_token"])
        assert again["booking"]["id"] == hold["booking"]["id"]
        assert "loading demo data" not in second.said()

        second.process.send_signal(signal.SIGTERM)

        assert second.process.wait(PATIENCE_SECONDS) == 0
        assert second.processes() == []


def test_uses_the_database_redis_and_secret_that_are_given(root: Path, servers_folder: Path, empty_database_url: str):
    given = {"DATABASE_URL": empty_database_url, "REDIS_URL": "redis://127.0.0.1:1/0", "HOLDFAST_SECRET": "given"}
    with Dev(root, servers_folder / "given", settings=given) as dev:
        shop = dev.until_open()

        assert shop.get("/ready")["redis"] == "degraded"
        with psycopg.connect(empty_database_url) as connection:
            assert connection.execute("SELECT count(*) > 0 FROM booking_service").fetchone() == (True,)
        assert [path.name for path in dev.data.iterdir()] == ["dev.lock"]
        dev.interrupt()


@pytest.mark.parametrize("moment", ["applied core_0001", "loading demo data"])
def test_can_be_stopped_while_it_starts(root: Path, servers_folder: Path, moment: str):
    with Dev(root, servers_folder / moment.replace(" ", "-")) as dev:
        dev.until_it_says(moment)

        dev.interrupt()

        assert dev.processes() == []


def test_a_worker_runs_beside_the_api_and_does_not_outlive_a_kill(root: Path, servers_folder: Path):
    with Dev(root, servers_folder / "killed") as killed:
        killed.until_open()
        worker = killed.worker()
        assert worker.parent() == psutil.Process(killed.process.pid)
        assert worker.cmdline()[-2:] == ["worker", "--lifeline"]

        killed.process.kill()

        worker.wait(PATIENCE_SECONDS)

    with Dev(root, servers_folder / "killed") as next_one:
        next_one.until_open()
        worker = next_one.worker()
        worker.suspend()

        assert next_one.interrupt() == 0

        assert not worker.is_running()


def test_the_secret_can_be_read_by_its_owner_alone(dev: Dev):
    assert (dev.data / "secret").stat().st_mode & 0o777 == 0o600
