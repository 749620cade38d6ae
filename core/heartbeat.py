"""The heartbeat: one row per process says that it lives, and brings back PostgreSQL's time."""

import asyncio
import os
import socket
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, LiteralString

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from .clock import Clock
from .db import Session, as_busy
from .ids import new_id

BEAT: LiteralString = """
INSERT INTO workflow_process (id, host, pid, started_at, beat_at, clock_offset, jobs)
VALUES (%(id)s, %(host)s, %(pid)s, clock_timestamp(), clock_timestamp(), current_clock_offset(), %(jobs)s)
ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at, clock_offset = excluded.clock_offset
RETURNING beat_at + clock_offset,
    beat_at - (SELECT before.beat_at FROM workflow_process AS before WHERE before.id = %(id)s)"""

FAREWELL: LiteralString = "DELETE FROM workflow_process WHERE id = %(id)s RETURNING id"

RETRY = 0.25
"""Seconds after a missed beat, so that a single miss does not use up the lease."""

log = structlog.get_logger("holdfast.heartbeat")


class Heartbeat:
    """Beats every `every` seconds in a task of its own; a missed beat is logged and soon tried again.

    `engine` should be nobody else's: a beat that waits for the connections of the steps comes too late.

    Who has not beaten for `lease` seconds is taken for dead, so a beat that takes longer is given up, and with it
    a connection that does not answer. `jobs` are those that this process has the code of.
    """

    def __init__(
        self, engine: AsyncEngine, clock: Clock, every: float, lease: float, *, jobs: Sequence[str] = ()
    ) -> None:
        self.process_id = new_id("proc")
        """A fresh id per boot: a restarted process is not the one that died."""
        self._session = Session(engine)
        self._clock = clock
        self._every = every
        self._lease = lease
        self._jobs = [*jobs]
        self._patient_until = 0.0
        self._silent_until = 0.0
        """Until when a further miss is not worth a line in the log."""
        self._has_row = False
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Beat once, so that the clock is right before anything runs, then keep beating.

        A database that is away does not stop the start: the process answers 503 until it is back.
        """
        self._stopping.clear()
        await self._unless_away(self.beat())
        self._task = asyncio.create_task(self._keep_beating(), name="heartbeat")

    async def stop(self) -> None:
        """Stop beating and take the row away."""
        if self._task is not None:
            self._stopping.set()  # a beat under way ends: cancelled, it may lose its connection
            await asyncio.wait([self._task])
            self._task = None
            self._has_row = False
            await self._unless_away(self._session.sql(FAREWELL, {"id": self.process_id}))

    async def beat(self) -> None:
        """Write the row; take PostgreSQL's time as it was half-way between asking and hearing."""
        asked = datetime.now(UTC)
        values = {"id": self.process_id, "host": socket.gethostname(), "pid": os.getpid(), "jobs": self._jobs}
        [(now, pause)] = await self._session.sql(BEAT, values)
        heard = datetime.now(UTC)
        # A row that is gone was swept away by others, who had waited for several leases.
        if self._has_row if pause is None else pause.total_seconds() > self._lease:
            self._patient_until = time.monotonic() + self._lease
        self._has_row = True
        self._clock.set_offset(now - (asked + (heard - asked) / 2))

    @property
    def patient(self) -> bool:
        """Whether this process was late itself: whatever stopped it may have stopped the others too, so it waits."""
        return time.monotonic() < self._patient_until

    async def _keep_beating(self) -> None:
        pause = self._every
        while not await self._stops_within(pause):
            beaten = False
            try:
                beaten = await self._unless_away(self.beat())
            except Exception:
                # Nobody awaits this task: without a beat the process would lose its runs to others, unseen.
                log.exception("beat_failed")
            pause = self._every if beaten else min(self._every, RETRY)

    async def _stops_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

    async def _unless_away(self, statement: Coroutine[Any, Any, object]) -> bool:
        try:
            async with asyncio.timeout(self._lease):
                await statement
        except Exception as error:
            if as_busy(error) is None and not isinstance(error, TimeoutError):
                raise
            self._tell_of_miss(str(error) or f"no answer within {self._lease:g} s")
            return False
        return True

    def _tell_of_miss(self, error: str) -> None:
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + self._every
            log.warning("beat_missed", error=error)
