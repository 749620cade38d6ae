"""A process that dies right before or after anything that others can see is survived, at each such place."""

import asyncio
import signal
from pathlib import Path

import psycopg
import pytest

from core.workflow import Runs

from .check import check
from .outside import outside, read
from .sagas import SAGAS
from .worker import Task, application, drain, start

FLUSHES = ("step", "begin", "waiting", "signal", "failure", "cancel", "undo", "undo-attempt", "end")
POINTS = [
    *(f"{place}-{name}-{what}" for name in FLUSHES for place, what in (("before", "flush"), ("before", "commit"))),
    *(f"after-{name}-commit" for name in FLUSHES),
    "before-external-call",
    "after-external-call",
]


@pytest.mark.parametrize("point", POINTS)
async def test_a_crash_at_any_flush_or_call_is_survived(url: str, tmp_path: Path, point: str):
    notes = tmp_path / "notes"
    with outside(notes) as port:
        worker = start(Task(url, port, runs=2 * len(SAGAS), crash=point, skip=1))
        await asyncio.to_thread(worker.join, 60)
        assert worker.exitcode == -signal.SIGKILL, "the failpoint was not hit"
        bury(url)
        await drain(url, port)
    check(url, read(notes))


@pytest.mark.parametrize("point", ["before-park-flush", "before-park-commit", "after-park-commit"])
async def test_a_crash_while_a_run_is_parked_is_survived(url: str, tmp_path: Path, point: str):
    notes = tmp_path / "notes"
    with outside(notes) as port:
        # The one has left runs that the other one's code does not fit.
        leaving = Task(url, port, code="writes", crash="after-step-commit", skip=5)
        for task in (leaving, Task(url, port, code="diverging", crash=point)):
            worker = start(task)
            await asyncio.to_thread(worker.join, 60)
            assert worker.exitcode == -signal.SIGKILL, "the failpoint was not hit"
            bury(url)
        await drain(url, port)
        async with application(url, port).running() as app, app.scope() as scope:
            runs = scope.resolve(Runs)
            parked = await runs.list(status="nondeterministic")
            for run in parked:
                await runs.retry(run.id)
        await drain(url, port)
    assert bool(parked) == (point == "after-park-commit")
    check(url, read(notes))


def bury(url: str) -> None:
    """Let all processes look dead at once, so that nobody has to wait for their leases."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE workflow_process SET beat_at = beat_at - interval '1 minute'")
