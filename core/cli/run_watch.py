"""Watching a run, and driving it where nobody else does."""

import asyncio
import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import click
import structlog

from ..app import Application
from ..workflow import RunDetails, Runs
from ..workflow.journal import ENDED
from .run_tree import duration, moment, printable

FIRST_PAUSE, LAST_PAUSE = 0.05, 0.5
RESTS = {*ENDED, "nondeterministic"}


@contextmanager
def logs_on_standard_error() -> Generator[None]:
    """Keep standard output for what the command says; of the engine's log only what is out of the ordinary."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING), logger_factory=_on_standard_error
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def _on_standard_error(*_: Any) -> structlog.PrintLogger:
    return structlog.PrintLogger(sys.stderr)


class Watch:
    """Tells on standard error what a run does from the first look on."""

    def __init__(self, app: Application, run_id: str) -> None:
        self._app = app
        self._run_id = run_id
        self._status = ""
        self._told: set[str] | None = None

    async def look(self) -> RunDetails:
        """Return the run as it is now; say what is new. Raises `RunNotFound`."""
        async with self._app.scope() as scope:
            run = await scope.resolve(Runs).retrieve(self._run_id)
        paths = {entry.path for entry in run.entries}
        if self._told is not None:
            for entry in run.entries:
                if entry.path not in self._told:
                    state = "failed" if entry.error else "done"
                    error = "" if entry.error is None else f": {printable(entry.error.detail)}"
                    took = duration(entry.duration_ms / 1000)
                    click.echo(f"  {entry.path} {entry.step} {entry.kind} {state}, {took}{error}", err=True)
            if run.status != self._status and run.status not in RESTS:
                click.echo(f"  {run.status}", err=True)
        self._status, self._told = run.status, paths
        return run

    async def until_it_rests(self, seconds: float) -> RunDetails:
        """Return the run when it has ended, is parked, or has nothing to do for the rest of `seconds`."""
        until = asyncio.get_running_loop().time() + seconds
        pause = FIRST_PAUSE
        while True:
            run = await self.look()
            left = until - asyncio.get_running_loop().time()
            if run.status in RESTS or left <= 0 or self._sleeps(run, left):
                self._say_why(run, seconds)
                return run
            await self._app.workflows.take_up(self._run_id)
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 2, LAST_PAUSE)

    def _sleeps(self, run: RunDetails, left: float) -> bool:
        if run.owner is not None or run.status not in ("waiting", "compensating"):
            return False
        return run.due_at is None or run.due_at > self._now + timedelta(seconds=left)

    def _say_why(self, run: RunDetails, seconds: float) -> None:
        if run.status in RESTS or not seconds:
            return
        if run.due_at is not None and run.due_at > self._now:
            click.echo(f"it goes on at {moment(run.due_at)} UTC, where a process runs", err=True)
        elif run.status == "waiting" and run.due_at is None:
            click.echo("it waits for a signal", err=True)
        else:
            click.echo(f"it has not ended within {seconds:g} s, and goes on where a process runs", err=True)

    @property
    def _now(self) -> datetime:
        return self._app.clock.now()
