"""Jobs: workflows that a schedule starts, and what can be asked of them."""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString, get_type_hints

import msgspec
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from .clock import zone_names
from .container import Container, Scope
from .cron import Schedule, check_cron
from .db import Transaction
from .errors import ConfigurationError, NotFound
from .workflow import Run, RunStateConflict, Workflow, WorkflowEngine
from .workflow.definition import WEEK, check_handler

MOST_MISSED = 10
"""Ticks that are counted; more are as alarming."""

_BEGIN: LiteralString = """
INSERT INTO scheduled_job (id, last_tick_at) SELECT unnest(%s::text[]), %s ON CONFLICT DO NOTHING"""
_ALL: LiteralString = """
SELECT job.id, job.last_tick_at, job.last_run_id, run.status, run.created_at, run.finished_at
FROM scheduled_job AS job LEFT JOIN workflow_run AS run ON run.id = job.last_run_id WHERE job.id = ANY(%s)"""
_LOCK: LiteralString = "SELECT last_tick_at, last_run_id FROM scheduled_job WHERE id = %s FOR UPDATE"
# In a rolling deploy others have other versions. A run of which nobody has the code any more, and that nobody drives,
# holds up nothing.
_WORKS: LiteralString = """
SELECT id FROM workflow_run AS run
WHERE id = %(run_id)s AND status IN ('queued', 'running', 'waiting', 'compensating')
    AND (version = ANY(%(versions)s) OR EXISTS (
        SELECT FROM workflow_process AS process WHERE beat_at > clock_timestamp() - %(lease)s
            AND (process.id = run.owner OR run.workflow || ':' || run.version = ANY(process.jobs))))"""
_STARTED: LiteralString = """
UPDATE scheduled_job SET last_tick_at = coalesce(%(tick)s, last_tick_at), last_run_id = %(run_id)s WHERE id = %(id)s
RETURNING id"""


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of a job is given."""

    scheduled_at: datetime
    """The time that the schedule names, UTC; the run itself may be later. By hand: when it was asked for."""


class Job(Workflow[Tick, None]):
    """A workflow that its schedule starts; each tick is a run, keyed by its time."""

    def __init__(
        self,
        id: str,
        body: Callable[[Tick], Coroutine[Any, Any, None]],
        *,
        cron: str,
        timezone: str | None,
        version: int,
        retention: timedelta,
        timeout: timedelta | None,
    ) -> None:
        check_handler("job", id, body)
        super().__init__(id, body, version=version, retention=retention, timeout=timeout)
        if Tick not in get_type_hints(body).values():
            raise ConfigurationError(f"job {id} takes one Tick")
        if timezone is not None and timezone not in zone_names():
            raise ConfigurationError(f"job {id}: there is no time zone {timezone!r}")
        try:
            check_cron(cron)
        except ConfigurationError as error:
            raise ConfigurationError(f"job {id}: {error.detail}") from error
        self.cron = cron
        self.timezone = timezone
        """None for the shop's."""

    @property
    def label(self) -> str:
        """Id and version, by which processes tell each other that they have the code of it."""
        return f"{self.id}:{self.version}"


def job(
    id: str,
    /,
    *,
    cron: str,
    timezone: str | None = None,
    version: int = 1,
    retention: timedelta = WEEK,
    timeout: timedelta | None = None,
) -> Callable[[Callable[[Tick], Coroutine[Any, Any, None]]], Job]:
    """Have an async function run by the clock: `@job("expire-held-bookings", cron="*/5 * * * *")`.

    It is the body of a workflow and awaits steps. Local times are those of `timezone`, by default the shop's. A new job
    begins with the first tick after a scheduler has seen it. It never overlaps itself: while its last run is at work no
    tick starts another one, and of all that were missed, for that or because no scheduler ran, the latest alone is
    made up for. A run is at work, also for schedulers that have another `version` of the job, until it has ended, or
    no living process has its version any more; one that hangs holds up all later ticks, unless `timeout` ends it, and
    `holdfast_job_missed_ticks` tells of it. Raises `ConfigurationError` for what is no cron expression or time zone.
    """

    def decorate(body: Callable[[Tick], Coroutine[Any, Any, None]]) -> Job:
        return Job(id, body, cron=cron, timezone=timezone, version=version, retention=retention, timeout=timeout)

    return decorate


class JobSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A job and its last run. Times are UTC."""

    id: str
    cron: str
    timezone: str
    next_tick_at: datetime | None
    """The first tick from now on; one that is due and has not been started yet comes before it."""
    last_tick_at: datetime | None
    """The last tick that was started, or when a scheduler first saw the job; None if none has."""
    last_run_id: str | None
    last_status: str | None
    """None, too, for a run whose retention is over."""
    last_started_at: datetime | None
    last_finished_at: datetime | None


class Jobs:
    """Looks at the jobs of this application, and starts them."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._definitions = scope.resolve(WorkflowEngine).registry.definitions
        self._jobs: dict[str, Job] = {}
        """By id, each in its latest version."""
        for (id, version), each in self._definitions.items():
            if isinstance(each, Job) and version >= self._jobs.get(id, each).version:
                self._jobs[id] = each

    def schedule(self, job: Job) -> Schedule:
        """Return when a job ticks; raises `ConfigurationError` if the shop's time zone is none."""
        return Schedule(job.cron, job.timezone or self._scope.config.shop.timezone)

    async def list(self) -> list[JobSummary]:
        """Return all jobs, by id."""
        rows = await self._scope.session.sql(_ALL, ([*self._jobs],))
        known = {id: row for id, *row in rows}
        return [self._summary(self._jobs[id], known.get(id, [None] * 5)) for id in sorted(self._jobs)]

    async def run(self, id: str) -> Run[None]:
        """Start a job now, whatever its schedule; it runs as any other run.

        Raises `NotFound`, and `RunStateConflict` while its last run is at work.
        """
        job = self._jobs.get(id)
        if job is None:
            raise NotFound(f"no job {id!r:.80}; there are {', '.join(sorted(self._jobs)) or 'none'}")
        now = self._scope.clock.now()
        async with self._scope.transaction() as transaction:
            await transaction.sql(_BEGIN, ([id], now))
            [(_, last_run_id)] = await transaction.sql(_LOCK, (id,))
            if await self._works(transaction, id, last_run_id):
                raise RunStateConflict(f"job {id} is at work: run {last_run_id}", run_id=last_run_id)
            run = await job.start(self._scope, Tick(scheduled_at=now))
            await transaction.sql(_STARTED, {"id": id, "tick": None, "run_id": run.id})
        return run

    async def due(self) -> Sequence[tuple[Job, datetime]]:
        """Return the jobs with a tick that nobody has started yet, and the latest such tick of each.

        A job that is seen for the first time is noted, and due from its next tick on.
        """
        now = self._scope.clock.now()
        last = await self._last_ticks()
        if new := [id for id in self._jobs if id not in last]:
            async with self._scope.transaction() as transaction:
                await transaction.sql(_BEGIN, (new, now))
            last = await self._last_ticks()
        latest = [(job, self._due(job, last.get(job.id), now)) for job in self._jobs.values()]
        return [(job, tick) for job, tick in latest if tick is not None]

    def _due(self, job: Job, last: datetime | None, now: datetime) -> datetime | None:
        schedule = self.schedule(job)
        # Looking back is dear for a job that rests for months, and nearly always there is nothing between.
        following = last and schedule.following(last)
        return None if following is None or following > now else schedule.latest(now)

    async def start(self, job: Job, tick: datetime) -> str | None:
        """Start a tick; return the id of its run, or None if another scheduler did, or the last run is at work."""
        async with self._scope.transaction() as transaction:
            rows = await transaction.sql(_LOCK, (job.id,))
            if not rows or rows[0][0] >= tick or await self._works(transaction, job.id, rows[0][1]):
                return None
            run = await job.start(self._scope, Tick(scheduled_at=tick), key=tick_key(tick))
            await transaction.sql(_STARTED, {"id": job.id, "tick": tick, "run_id": run.id})
        return run.id

    async def missed(self) -> dict[str, int]:
        """Return how many ticks of each job, up to `MOST_MISSED`, have come since the last one that was started."""
        now = self._scope.clock.now()
        last = await self._last_ticks()
        return {id: self._missed(job, last[id], now) for id, job in self._jobs.items() if id in last}

    def _missed(self, job: Job, tick: datetime | None, now: datetime) -> int:
        schedule = self.schedule(job)
        for number in range(MOST_MISSED):
            tick = tick and schedule.following(tick)
            if tick is None or tick > now:
                return number
        return MOST_MISSED

    def following(self) -> datetime | None:
        """Return when the next tick of any job comes."""
        now = self._scope.clock.now()
        ticks = [self.schedule(job).following(now) for job in self._jobs.values()]
        return min((tick for tick in ticks if tick is not None), default=None)

    async def _last_ticks(self) -> dict[str, datetime]:
        return {id: last for id, last, *_ in await self._scope.session.sql(_ALL, ([*self._jobs],))}

    async def _works(self, transaction: Transaction, id: str, run_id: str | None) -> bool:
        versions = [version for known, version in self._definitions if known == id]
        lease = timedelta(seconds=self._scope.config.engine.lease_seconds)
        return bool(await transaction.sql(_WORKS, {"run_id": run_id, "versions": versions, "lease": lease}))

    def _summary(self, job: Job, row: Sequence[Any]) -> JobSummary:
        last_tick_at, run_id, status, started_at, finished_at = row
        now = self._scope.clock.now()
        return JobSummary(
            id=job.id,
            cron=job.cron,
            timezone=job.timezone or self._scope.config.shop.timezone,
            # A clock that was put back comes by ticks again that have been started.
            next_tick_at=self.schedule(job).following(max(now, last_tick_at or now)),
            last_tick_at=last_tick_at,
            last_run_id=run_id,
            last_status=status,
            last_started_at=started_at,
            last_finished_at=finished_at,
        )


async def read_missed_ticks(container: Container) -> list[Metric]:
    """Return the gauge of how many ticks each job has missed."""
    text = f"Ticks, up to {MOST_MISSED}, that have come since the last one that was started."
    family = GaugeMetricFamily("holdfast_job_missed_ticks", text, labels=["job"])
    with suppress(ConfigurationError):  # in no time zone nothing ticks, and workers have said so when they started
        async with container.scope() as scope:
            for id, count in (await scope.resolve(Jobs).missed()).items():
                family.add_metric([id], count)
    return [family]


def tick_key(tick: datetime) -> str:
    """Return the key of the run for a tick: its time in UTC."""
    return tick.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
