"""What the scheduler looks for: ticks since the last one, and none before it."""

from datetime import datetime
from typing import ClassVar

from core.cron import Schedule
from core.job import Job, Jobs
from core.scheduler import Scheduler
from core.testing import move_clock

from .test_job import MINUTE, every_minute, shop, stand_still


class Retrospect(Jobs):
    """Notes for which instants it is asked what the last tick was."""

    asked: ClassVar[list[datetime]] = []

    def schedule(self, job: Job) -> Schedule:
        asked = self.asked

        class Noting(Schedule):
            def latest(self, now: datetime) -> datetime | None:
                asked.append(now)
                return super().latest(now)

        return Noting(job.cron, "UTC")


async def test_looks_back_only_when_a_tick_has_come_since_the_last_one(core_database_url: str):
    await stand_still(core_database_url)
    async with shop(core_database_url, every_minute) as app, app.scope() as scope:
        jobs = Retrospect(scope)
        for _ in range(3):
            assert await jobs.due() == []
        assert Retrospect.asked == []
        await move_clock(app, 2 * MINUTE)
        assert [tick for _, tick in await jobs.due()] == [app.clock.now().replace(second=0, microsecond=0)]
        assert len(Retrospect.asked) == 1


async def test_the_next_tick_is_none_that_was_started_before_the_clock_was_put_back(core_database_url: str):
    await stand_still(core_database_url)
    async with shop(core_database_url, every_minute) as app, app.scope() as scope:
        await Scheduler(app.container).look()
        await move_clock(app, 10 * MINUTE)
        await Scheduler(app.container).look()
        await move_clock(app, -5 * MINUTE)
        [summary] = await scope.resolve(Jobs).list()
        assert summary.last_tick_at is not None
        assert summary.next_tick_at == summary.last_tick_at + MINUTE
