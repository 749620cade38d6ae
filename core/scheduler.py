"""The scheduler: starts the runs of jobs whose time has come; any number of them share the work."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime

import structlog

from .container import Container
from .job import Job, Jobs

SHORTEST_PAUSE = 0.01

log = structlog.get_logger("holdfast.scheduler")


class Scheduler:
    """Looks at every tick, and at every beat, since the clock may be moved and a job may have been at work.

    Runs that it starts are left to the workers.
    """

    def __init__(self, container: Container) -> None:
        self._container = container

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Start what is due for the length of a block; raises `ConfigurationError` for a shop in no time zone."""
        await self._pause()
        task = asyncio.create_task(self._run(), name="scheduler")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001, a database that is away comes back
                log.warning("schedule_failed", error=repr(error))
            await asyncio.sleep(await self._pause())

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
