"""The scheduler: starts the runs of jobs whose time has come; any number of them share the work."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime

import structlog

from .container import Container
from .job import Job, Jobs

SHORTEST_PAUSE = 0.01
LATE_BEATS = 6
"""So many without a look, and something is wrong."""

log = structlog.get_logger("holdfast.scheduler")


class Scheduler:
    """Looks at every tick, and at every beat, since the clock may be moved and a job may have been at work.

    Runs that it starts are left to the workers. It does not look before PostgreSQL has told it the time.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._looked_at = 0.0

    @property
    def is_late(self) -> bool:
        """Whether several beats have gone by since it could look: the database is away, or something holds it up."""
        return time.monotonic() - self._looked_at > LATE_BEATS * self._container.config.engine.beat_seconds

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Start what is due for the length of a block; raises `ConfigurationError` for a shop in no time zone."""
        await self._pause()
        self._looked_at = time.monotonic()
        task = asyncio.create_task(self._run(), name="scheduler")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        while True:
            pause = await self._look_and_pause()
            await asyncio.sleep(pause)

    async def _look_and_pause(self) -> float:
        """Look; return the seconds until the next time: whatever goes wrong now, that one may go well."""
        try:
            # This machine's own clock could be ahead, and start ticks whose time has not come.
            if self._container.clock.is_set:
                await self.look()
                self._looked_at = time.monotonic()
                return await self._pause()
        except Exception as error:  # noqa: BLE001, a database that is away comes back
            log.warning("schedule_failed", error=repr(error))
        return self._container.config.engine.beat_seconds

    async def look(self) -> list[str]:
        """Start the latest due tick of each job; return the ids of the runs."""
        async with self._container.scope() as scope:
            jobs = scope.resolve(Jobs)
            started = [await self._start(jobs, job, tick) for job, tick in await jobs.due()]
        return [id for id in started if id is not None]

    async def _start(self, jobs: Jobs, job: Job, tick: datetime) -> str | None:
        try:
            run_id = await jobs.start(job, tick)
        except Exception as error:  # noqa: BLE001, whatever is wrong with one job, the others have their time
            log.warning("tick_failed", job=job.id, scheduled_at=tick.isoformat(), error=repr(error))
            return None
        if run_id is not None:
            log.info("tick_started", job=job.id, scheduled_at=tick.isoformat(), run_id=run_id)
        return run_id

    async def _pause(self) -> float:
        """Return the seconds until the next tick, a beat at most."""
        beat = self._container.config.engine.beat_seconds
        async with self._container.scope() as scope:
            following = scope.resolve(Jobs).following()
        if following is None:
            return beat
        return max(SHORTEST_PAUSE, min(beat, (following - self._container.clock.now()).total_seconds()))
