"""Where measurements take place: a PostgreSQL of their own, databases in it, server processes on them."""

import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from core.app import Application
from core.config import Config
from core.db.branch import branches
from core.db.embedded import EmbeddedPostgres, free_port
from core.testing import DatabaseServer, ServerProcess, TemporaryDatabase, config_on
from core.testing.processes import answers

from .bare import POOL_SIZE, STATEMENTS, Recorded

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".holdfast-bench"
QUIET = {"HOLDFAST_ENGINE_BEAT_SECONDS": "5"}
READY_SECONDS = 30


class Ground:
    """A durable PostgreSQL, and the shop as `holdfast.toml` has it on databases of it."""

    def __init__(self, postgres: EmbeddedPostgres, url: str) -> None:
        self.log_path = postgres.log_path
        self.config = Config.load(ROOT / "holdfast.toml", environ={})
        self._server = DatabaseServer(url, folder=FOLDER)

    @contextmanager
    def database(self) -> Generator[TemporaryDatabase]:
        """A migrated database without rows, until the block ends."""
        shop = self.application("postgresql:///")
        database = self._server.create(branches(shop.modules.values()), shop.link_tables)
        try:
            yield database
        finally:
            database.drop()

    def application(self, url: str) -> Application:
        """The shop in this process, its heart at rest."""
        return Application.load(self.config_at(url))

    def config_at(self, url: str) -> Config:
        """What `holdfast.toml` says, on a database, without a beat in between."""
        config = config_on(url, self.config)
        return replace(config, engine=replace(config.engine, beat_seconds=3600))

    def api(self, url: str) -> ServerProcess:
        """`holdfast api` with one process, to be used in a `with` block."""
        return ServerProcess(url, folder=ROOT, environ=QUIET)


@contextmanager
def ground() -> Generator[Ground]:
    """Start PostgreSQL for the length of a block."""
    postgres = EmbeddedPostgres(FOLDER)
    with postgres as url:
        yield Ground(postgres, url)


class BareApi(Struct, frozen=True):
    """The floor's server."""

    port: int
    pid: int


@contextmanager
def bare_api(url: str, config: Config, recorded: Recorded) -> Generator["BareApi"]:
    """The floor as a server process like ours, with as many connections."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.bare:create_app", "--factory", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--loop", "uvloop", "--http", "httptools", "--ws", "none", "--no-access-log"]
    with tempfile.TemporaryDirectory() as folder:
        statements = Path(folder) / "statements"
        statements.write_bytes(pickle.dumps(recorded))
        size = config.database.pool_size + config.database.pool_overflow
        environ = {"DATABASE_URL": url, STATEMENTS: str(statements), POOL_SIZE: str(size)}
        process = subprocess.Popen(
            [*command, "--log-level", "warning"], cwd=ROOT, env={**os.environ, **environ}, stdin=subprocess.DEVNULL
        )
        try:
            wait_until_it_answers(f"http://127.0.0.1:{port}/nothing", process)
            yield BareApi(port, process.pid)
        finally:
            process.terminate()
            process.wait()


def wait_until_it_answers(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait for the first 200."""
    deadline = time.monotonic() + READY_SECONDS
    while not answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{url} does not answer")
        time.sleep(0.005)
