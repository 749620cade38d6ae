"""`background`: runs and events a second through one worker process, end to end, beside bare Dramatiq messages."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from itertools import islice
from pathlib import Path

import psycopg
from msgspec.structs import replace

from core.app import Application
from core.config import Config, Jobs
from core.db.embedded import EmbeddedValkey

from .background.workflows import insert_in_background, insert_on_event
from .figures import ROUNDS, Figure, compare, in_turn
from .ground import FOLDER, ROOT, Ground
from .inserts import items, repeat
from .kinds import CREATE, Item

RUNS = 1000
THREADS = 16
PATIENCE_SECONDS = 120
POLL_SECONDS = 0.005
PLUGIN = "[holdfast.plugins]\nbench = bench.background\n"

Send = Callable[[Sequence[Item]], Awaitable[None]]


async def background(ground: Ground) -> AsyncGenerator[Figure]:
    """Measure with a thousand of each."""
    with ground.database() as database, EmbeddedValkey(FOLDER) as redis:
        config = replace(ground.config_at(database.url), redis_url=redis)
        async for figure in measure(config, RUNS):
            yield figure


async def measure(config: Config, runs: int, rounds: int = ROUNDS) -> AsyncGenerator[Figure]:
    """Measure on an empty database."""
    config = replace(config, jobs=Jobs(dispatcher="jobs.broker:DramatiqDispatcher"))
    with psycopg.connect(config.database.url, autocommit=True) as connection, workers(config):
        connection.execute(CREATE)
        app = Application(config, modules=[], workflows=[insert_in_background, insert_on_event])
        async with app.running(sweeping=False):
            ways: dict[str, Send] = {
                "background_runs": partial(start_all, app),
                "background_events": partial(emit_all, app),
                "bare_messages": send_all,
            }
            for way in ways.values():
                await rate(connection, way, runs // 10)
            found = await in_turn({name: partial(rate, connection, way, runs) for name, way in ways.items()}, rounds)
    floor = {"bare_messages": found.pop("bare_messages")}
    for name, value in found.items():
        for figure in compare(name, "1/s", value, floor):
            yield figure


async def rate(connection: psycopg.Connection, send: Send, runs: int) -> float:
    """Return how many rows a second come of so many items, from the first that is sent to the last row."""
    connection.execute("TRUNCATE bench_row")
    began = time.perf_counter()
    await send([*islice(items(), runs)])
    while connection.execute("SELECT count(*) FROM bench_row").fetchone() != (runs,):
        if time.perf_counter() > began + PATIENCE_SECONDS:
            raise TimeoutError(f"{runs} rows take longer than {PATIENCE_SECONDS} s")
        await asyncio.sleep(POLL_SECONDS)
    return runs / (time.perf_counter() - began)


async def start_all(app: Application, sent: Sequence[Item]) -> None:
    """Start a run for each item."""

    async def start(item: Item) -> None:
        async with app.scope() as scope:
            await insert_in_background.start(scope, item)

    await repeat(start, iter(sent), THREADS)


async def emit_all(app: Application, sent: Sequence[Item]) -> None:
    """Emit an event for each item."""

    async def emit(item: Item) -> None:
        async with app.scope() as scope, scope.transaction():
            await scope.emit("bench.happened", item)

    await repeat(emit, iter(sent), THREADS)


async def send_all(sent: Sequence[Item]) -> None:
    """Send a message for each item, in a thread, since sending blocks."""
    actor = import_module("bench.bare_messages").insert_row

    def send() -> None:
        for item in sent:
            actor.send(item.id, item.n)

    await asyncio.to_thread(send)


@contextmanager
def workers(config: Config) -> Generator[None]:
    """Run one worker process of each kind, with as many threads."""
    urls = {"DATABASE_URL": config.database.url, "REDIS_URL": config.redis_url}
    os.environ.update(urls)  # where `bench.bare_messages` looks
    with tempfile.TemporaryDirectory() as folder:
        write_plugin(Path(folder))
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join((folder, str(ROOT)))}
        ours = ["core.cli", "worker", "--processes", "1", "--threads", str(THREADS), "--no-scheduler"]
        bare = ["dramatiq", "bench.bare_messages", "--processes", "1", "--threads", str(THREADS), "--skip-logging"]
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            for command in (ours, bare)
        ]
        try:
            yield
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()


def write_plugin(folder: Path) -> None:
    """Make a folder in which a worker knows the workflows of the benchmark, as an installed plugin's."""
    installed = folder / "bench-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: bench\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(PLUGIN)
    (folder / "holdfast.toml").write_text('plugins = ["bench"]\n')
