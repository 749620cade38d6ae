"""How many runs stand where, read from the database when somebody asks, and at most every few seconds."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import LiteralString

import structlog
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from ..container import Container
from ..db import Session, as_busy
from ..db.session import Tuple
from .recovery import SUSPECTED
from .registry import Registry

KEPT_SECONDS = 5
TIMEOUT_SECONDS = 3
MOST = 100_000
"""Runs that are counted of each half of the states; more are as alarming."""
STATES = ("queued", "running", "waiting", "compensating", "nondeterministic", "compensation_failed")
NEEDS_CODE = ("queued", "running", "waiting")

# Each half has a partial index, and the finished runs, which are nearly all of them, are in neither.
STANDING: LiteralString = """
SELECT workflow, version, status, count(*) FROM (
    (SELECT workflow, version, status FROM workflow_run
        WHERE status IN ('queued', 'running', 'compensating') LIMIT %(most)s)
    UNION ALL
    (SELECT workflow, version, status FROM workflow_run
        WHERE status IN ('waiting', 'nondeterministic', 'compensation_failed') LIMIT %(most)s)) AS run
GROUP BY workflow, version, status"""
# What no instant is set for should be driven at once: whoever left it did not say when. It stays so if it is to be
# undone by steps that no process knows.
LAG: LiteralString = """
SELECT extract(epoch FROM %(now)s - least(
    (SELECT min(due_at) FROM workflow_run WHERE due_at <= %(now)s AND owner IS NULL),
    (SELECT min(created_at) FROM workflow_run
        WHERE status IN ('queued', 'running', 'compensating') AND owner IS NULL AND due_at IS NULL)))::float8,
    (SELECT count(*) FROM workflow_process WHERE beat_at > clock_timestamp() - %(lease)s),
    (SELECT count(*) FROM (SELECT FROM workflow_run
        WHERE status IN ('queued', 'running', 'compensating') AND deaths >= %(suspected)s LIMIT %(most)s) AS suspect)"""
INTEGRITY: LiteralString = "SELECT name, findings, extract(epoch FROM checked_at)::float8 FROM integrity_check"
JOBS: LiteralString = "SELECT id, extract(epoch FROM last_tick_at)::float8 FROM scheduled_job"

log = structlog.get_logger("holdfast.workflow")


class Gauges:
    """Reads what stands, once for all who ask within a few seconds."""

    def __init__(self, container: Container, registry: Registry) -> None:
        self._container = container
        self._registry = registry
        self._read_at = 0.0
        self._families: list[Metric] = []
        self._turn = asyncio.Lock()
        self.sources: list[Callable[[], Awaitable[list[Metric]]]] = []
        """What is built upon the engine, and has gauges of its own."""

    async def read(self) -> list[Metric]:
        """Return the gauges; without a database only that it is away."""
        async with self._turn:
            if not self._families or time.monotonic() - self._read_at > KEPT_SECONDS:
                self._families = await self._read_or_say_that_it_is_away()
                self._read_at = time.monotonic()
            return self._families

    async def _read_or_say_that_it_is_away(self) -> list[Metric]:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return [_up(1), *await self._read()]
        except Exception as error:
            if as_busy(error) is None and not isinstance(error, TimeoutError):
                raise
            log.warning("gauges_unreadable", error=str(error))
            return [_up(0)]

    async def _read(self) -> list[Metric]:
        session = Session(self._container.engine, read_only=True)
        standing = await session.sql(STANDING, {"most": MOST})
        lease = timedelta(seconds=self._container.config.engine.lease_seconds)
        values = {"now": self._container.clock.now(), "lease": lease, "suspected": SUSPECTED, "most": MOST}
        [(lag, alive, suspected)] = await session.sql(LAG, values)
        return [
            self._runs(standing),
            self._without_code(standing),
            GaugeMetricFamily("holdfast_workflow_due_lag_seconds", "How long the oldest due run waits.", lag or 0.0),
            GaugeMetricFamily("holdfast_workflow_processes", "Processes that beat.", alive),
            GaugeMetricFamily(
                "holdfast_workflow_runs_suspected", "Runs that may be what their processes die of.", suspected
            ),
            *await self._scheduled(session),
            *[family for source in self.sources for family in await source()],
        ]

    async def _scheduled(self, session: Session) -> list[Metric]:
        """Return what jobs have left: as the database has it, since any process may have run them."""
        findings = GaugeMetricFamily(
            "holdfast_integrity_findings", "Violations that the last check of the data found.", labels=["check"]
        )
        checked = GaugeMetricFamily(
            "holdfast_integrity_checked_timestamp_seconds", "When the data was last checked.", labels=["check"]
        )
        for name, found, at in await session.sql(INTEGRITY):
            findings.add_metric([name], found)
            checked.add_metric([name], at)
        ticks = GaugeMetricFamily(
            "holdfast_job_last_tick_timestamp_seconds", "For which time a job was last started.", labels=["job"]
        )
        for id, at in await session.sql(JOBS):
            ticks.add_metric([id], at)
        return [findings, checked, ticks]

    def _runs(self, standing: list[Tuple]) -> Metric:
        family = GaugeMetricFamily(
            "holdfast_workflow_runs", "Runs that have not ended, or need somebody.", labels=["workflow", "state"]
        )
        # Those that do not stand anywhere are 0, since nothing can be said of a series that is not there.
        counts = Counter({(workflow, state): 0 for workflow, _ in self._registry.definitions for state in STATES})
        for workflow, _, state, count in standing:
            counts[workflow, state] += count
        for labels, count in counts.items():
            family.add_metric(labels, count)
        return family

    def _without_code(self, standing: list[Tuple]) -> Metric:
        family = GaugeMetricFamily(
            "holdfast_workflow_runs_without_code",
            "Runs whose workflow, in their version, the answering process does not have.",
            labels=["workflow", "version"],
        )
        counts: Counter[tuple[str, str]] = Counter()
        for workflow, version, state, count in standing:
            if state in NEEDS_CODE and (workflow, version) not in self._registry.definitions:
                counts[workflow, str(version)] += count
        for labels, count in counts.items():
            family.add_metric(labels, count)
        return family


def _up(value: int) -> Metric:
    return GaugeMetricFamily("holdfast_database_up", "Whether the database answers.", value)
