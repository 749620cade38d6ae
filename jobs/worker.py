"""A worker process: it drives the runs that hints name, and those that nobody named in time."""

import asyncio
import faulthandler
import os
import signal
import socket
import threading
from collections.abc import Sequence
from contextlib import AsyncExitStack

import msgspec
import structlog
import uvloop

from core.app import Application
from core.config import Config
from core.logging import adopt_logger
from core.scheduler import Scheduler

from .hints import Hints
from .monitor import monitored

MARGIN_SECONDS = 10
"""After the grace time, until a process that does not end is ended."""

log = structlog.get_logger("holdfast.worker")


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker process does."""

    config: Config
    queues: Sequence[str]
    threads: int
    scheduler: bool
    listener: socket.socket | None = None
    """Where it answers `/health` and `/metrics`."""
    lifeline: int | None = None
    """A descriptor; the process ends when nobody can write to it any more."""


def work(task: Work) -> None:
    """Work until SIGTERM or SIGINT; runs may then end for the grace time, before they are left to others."""
    adopt_logger("dramatiq")
    uvloop.run(_work(task))


async def _work(task: Work) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    if task.lifeline is not None:
        threading.Thread(target=_end_with_parent, args=(task.lifeline,), daemon=True).start()
    app = Application.load(task.config)
    hints = Hints(task.config, app.workflows.drive, queues=task.queues, threads=task.threads)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.running(worker=True))
        if task.scheduler:
            await stack.enter_async_context(Scheduler(app.container).running())
        if task.listener is not None:
            await stack.enter_async_context(monitored(app, task.listener))
        hints.start()
        stack.callback(hints.take_no_more)
        log.info("worker_ready", process=app.heartbeat.process_id, pid=os.getpid())
        await stopping.wait()
        # Written in C, and in a thread of its own: it ends also a process that is stuck in a loop.
        faulthandler.dump_traceback_later(task.config.engine.grace_seconds + MARGIN_SECONDS, exit=True)
    await asyncio.to_thread(hints.stop)
    faulthandler.cancel_dump_traceback_later()
    log.info("worker_stopped", pid=os.getpid())


def _end_with_parent(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
