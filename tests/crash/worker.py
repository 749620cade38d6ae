"""A process that runs sagas until it is stopped or killed."""

import asyncio
import logging
import os
import random
import signal
from multiprocessing.process import BaseProcess

import msgspec
import structlog

from core.app import Application
from core.config import Config, Database, Engine
from core.errors import HoldfastError
from core.testing import crash_at

from .check import left
from .outside import HERE, Outside
from .sagas import ALL, SAGAS, Order

AT_ONCE = 16
BEAT_SECONDS, LEASE_SECONDS = 0.2, 1.0
PATIENCE_SECONDS = 90


class Task(msgspec.Struct, frozen=True):
    """What a worker is to do."""

    url: str
    port: int
    runs: int = 0
    """How many sagas to run; 0 for as many as time permits."""
    crash: str = ""
    """The failpoint at which to crash."""
    skip: int = 0
    beat: float = BEAT_SECONDS
    lease: float = LEASE_SECONDS


def application(url: str, port: int, *, beat: float = BEAT_SECONDS, lease: float = LEASE_SECONDS) -> Application:
    """The application of these tests."""
    config = Config(
        database=Database(url=url, pool_size=12, pool_overflow=8),
        engine=Engine(beat_seconds=beat, lease_seconds=lease, grace_seconds=5, undo_pause_seconds=0.02),
    )
    app = Application(config, modules=[], workflows=ALL)
    app.container.register(Outside, lambda _scope: Outside(port))
    return app


def start(task: Task) -> BaseProcess:
    """Start a worker."""
    process = HERE.Process(target=_main, args=(task,), daemon=True)
    process.start()
    return process


async def drain(url: str, port: int) -> None:
    """Be the survivor that brings everything to its end."""
    async with application(url, port).running(), asyncio.timeout(PATIENCE_SECONDS):
        while await asyncio.to_thread(left, url):  # noqa: ASYNC110, rows
            await asyncio.sleep(BEAT_SECONDS)


def _main(task: Task) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if task.crash:
        crash_at(task.crash, skip=task.skip)
    asyncio.run(_work(task))


async def _work(task: Task) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    app = application(task.url, task.port, beat=task.beat, lease=task.lease)
    async with app.running():
        if task.runs:
            await asyncio.gather(*(_run(app, number) for number in range(task.runs)))
        else:
            await asyncio.gather(*(_keep_running(app, stopped) for _ in range(AT_ONCE)))


async def _keep_running(app: Application, stopped: asyncio.Event) -> None:
    while not stopped.is_set():
        await _run(app, random.randrange(len(SAGAS)))


async def _run(app: Application, number: int) -> None:
    saga = SAGAS[number % len(SAGAS)]
    key = random.choice([None, f"{os.getpid()}-{random.random()}"])
    async with app.scope() as scope:
        try:
            await saga.run(scope, Order(number), key=key)
        except HoldfastError as error:
            structlog.get_logger("crash").debug("saga_failed", saga=saga.id, error=repr(error))
