"""A worker process: it drives the runs that hints name, and those that nobody named in time."""

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
from core.shutdown import MARGIN_SECONDS, told_to_end

from .hints import Hints
from .monitor import monitored

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
    margin_seconds: float = MARGIN_SECONDS


def work(task: Work) -> None:
    """Work until SIGTERM or SIGINT; runs may then end for the grace time, before they are left to others.

    A process that is stuck is ended some seconds later, or if it has been for `stuck_seconds`.
    """
    adopt_logger("dramatiq")
    uvloop.run(_work(task))


async def _work(task: Work) -> None:
    clockwork = task.config.engine
    # Under `holdfast dev` somebody may have stopped it with a debugger.
    stuck = clockwork.stuck_seconds if task.lifeline is None else 0
    told = told_to_end(clockwork.grace_seconds + task.margin_seconds, stuck=stuck)
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
        stack.push_async_callback(hints.take_no_more)
        log.info("worker_ready", process=app.heartbeat.process_id, pid=os.getpid())
        await told.wait()
    await hints.stop()
    log.info("worker_stopped", pid=os.getpid())


def _end_with_parent(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
