"""A process that runs sagas until it is stopped or killed."""

import asyncio
import logging
import os
import random
import signal
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from typing import Any

import msgspec
import structlog

from core.app import Application
from core.config import Config, Database, Engine
from core.errors import HoldfastError
from core.testing import crash_at
from core.workflow import Workflow

from . import next_version as following
from .check import left
from .outside import HERE, Outside
from .sagas import ALL, SAGAS, Order, three_writes

Sagas = Sequence[Workflow[Order, Any]]

AT_ONCE = 16
NEXT = [following.three_writes, following.fail_late]
CODE: dict[str, tuple[Sequence[Workflow[Any, Any]], Sagas]] = {
    "": (ALL, SAGAS),
    "writes": ([three_writes], [three_writes]),
    "next": (NEXT, NEXT),
    "both": ([*ALL, *NEXT], SAGAS),
    "diverging": ([following.diverging_three_writes], []),
}
"""What a process knows, and what of it it runs by itself."""
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
    code: str = ""
    beat: float = BEAT_SECONDS
    lease: float = LEASE_SECONDS


def application(
    url: str, port: int, *, code: str = "", beat: float = BEAT_SECONDS, lease: float = LEASE_SECONDS
) -> Application:
    """The application of these tests."""
    config = Config(
        database=Database(url=url, pool_size=12, pool_overflow=8),
        engine=Engine(beat_seconds=beat, lease_seconds=lease, grace_seconds=5, undo_pause_seconds=0.02),
    )
    app = Application(config, modules=[], workflows=CODE[code][0])
    app.container.register(Outside, lambda _scope: Outside(port))
    return app


started: list[BaseProcess] = []


def start(task: Task) -> BaseProcess:
    """Start a worker."""
    process = HERE.Process(target=_main, args=(task,), daemon=True)
    process.start()
    started.append(process)
    return process


def end_all() -> None:
    """Kill what is left of the workers."""
    while started:
        process = started.pop()
        process.kill()
        process.join()


async def drain(url: str, port: int, code: str = "", patience: float = PATIENCE_SECONDS) -> None:
    """Be the survivor that brings everything to its end."""
    async with application(url, port, code=code).running(), asyncio.timeout(patience):
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
    app = application(task.url, task.port, code=task.code, beat=task.beat, lease=task.lease)
    sagas = CODE[task.code][1]
    async with app.running():
        if task.runs:
            await asyncio.gather(*(_run(app, sagas, number) for number in range(task.runs)))
        else:
            await asyncio.gather(*(_keep_running(app, sagas, stopped) for _ in range(AT_ONCE)))


async def _keep_running(app: Application, sagas: Sagas, stopped: asyncio.Event) -> None:
    while not stopped.is_set():
        if sagas:
            await _run(app, sagas, random.randrange(len(sagas)))
        else:
            await stopped.wait()


async def _run(app: Application, sagas: Sagas, number: int) -> None:
    saga = sagas[number % len(sagas)]
    key = random.choice([None, f"{os.getpid()}-{random.random()}"])
    async with app.scope() as scope:
        try:
            await saga.run(scope, Order(number), key=key)
        except HoldfastError as error:
            structlog.get_logger("crash").debug("saga_failed", saga=saga.id, error=repr(error))
