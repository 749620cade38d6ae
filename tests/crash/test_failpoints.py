"""A process that dies right before or after anything that others can see is survived, at each such place."""

import asyncio
import signal
from pathlib import Path

import psycopg
import pytest

from .check import check
from .outside import outside, read
from .sagas import SAGAS
from .worker import Task, drain, start

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


def bury(url: str) -> None:
    """Let all processes look dead at once, so that nobody has to wait for their leases."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE workflow_process SET beat_at = beat_at - interval '1 minute'")
