"""Recovery: the sweep that claims runs which nobody drives and somebody should.

A run is lost when the process that owns it has not beaten for a lease, when nobody owns it, or when this process is
its owner and does not drive it; one that waits is claimed when it is due. Each claim raises the epoch, so that what the
old owner still writes is refused. Who claims a run has its workflow in that very version; one that is to be undone
needs the steps alone, so any version will do.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple

import msgspec
import structlog

from ..container import Container
from ..db import Session
from ..db.session import Tuple
from ..heartbeat import Heartbeat
from .codec import canonical
from .errors import RunNotFound
from .journal import RunRow, read_later
from .record import Record
from .registry import Registry

log = structlog.get_logger("holdfast.workflow")

FIRST_PAUSE, LAST_PAUSE = 1.0, 3600.0
"""Seconds that a run which could not be driven here is left alone here; doubling."""
SUSPECTED = 3
"""Takeovers from processes that had died, the run's journal not growing, after which it may be what kills them."""
LEASES_KEPT = 10
"""A process that has not beaten for so many leases is forgotten, unless runs still name it."""

# Looked for without a lock, so that a sweep that finds nothing writes nothing. Two statements, each with its own index:
# the runs that somebody should drive, and of the many that wait those that are due.
_MINE: LiteralString = """
    AND ((run.workflow, run.version) IN (SELECT * FROM unnest(%(workflows)s::text[], %(versions)s::integer[]))
        OR run.status = 'compensating' OR run.cancel_requested)
    AND run.id <> ALL(%(avoided)s)"""
_LOST: LiteralString = f"""
WITH alive AS (
    SELECT id FROM workflow_process WHERE beat_at > clock_timestamp() - %(lease)s)
SELECT run.id, coalesce(run.owner <> %(me)s, false) AS taken_over FROM workflow_run AS run
WHERE run.status IN ('queued', 'running', 'compensating')
    AND (run.status <> 'queued' OR run.due_at IS NOT NULL OR run.created_at <= %(queued_before)s)
    AND (run.owner IS NULL AND (run.due_at IS NULL OR run.due_at <= %(now)s) OR run.id = ANY(%(orphans)s) OR (
        %(others)s AND run.owner <> %(me)s AND run.owner NOT IN (SELECT id FROM alive)
        AND %(me)s IN (SELECT id FROM alive))){_MINE}"""  # noqa: S608, of constants
_DUE: LiteralString = f"""
SELECT run.id, false AS taken_over FROM workflow_run AS run
WHERE run.status = 'waiting' AND run.due_at <= %(now)s{_MINE}"""  # noqa: S608, of constants

_CLAIM: LiteralString = """
UPDATE workflow_run AS run SET epoch = run.epoch + 1, owner = %(me)s, due_at = NULL,
    takeovers = run.takeovers + lost.taken_over::integer, deaths = run.deaths + lost.taken_over::integer,
    status = CASE WHEN run.status IN ('queued', 'waiting') THEN 'running' ELSE run.status END
FROM lost WHERE run.id = lost.id
RETURNING """
_ALL: LiteralString = """
    run.id, run.epoch, run.status, run.input_hash, run.entries::text, run.result::text, run.error::text, run.key,
    run.cancel_requested, run.workflow, run.version, run.input::text, run.context::text, run.created_at,
    run.deadline_at, run.subject, run.deaths"""
# By its key, and without a look beforehand: nearly always it is there, and nobody else has it.
_CLAIM_QUEUED: LiteralString = f"""
UPDATE workflow_run AS run SET epoch = run.epoch + 1, owner = %(me)s, due_at = NULL, status = 'running'
WHERE id = (SELECT id FROM workflow_run AS run
    WHERE id = %(id)s AND status = 'queued' {_MINE} FOR UPDATE SKIP LOCKED)
RETURNING {_ALL}, false"""  # noqa: S608, of constants
_READ: LiteralString = f"SELECT {_ALL}, false FROM workflow_run AS run WHERE id = %s"  # noqa: S608, of constants
_LIMIT: LiteralString = "ORDER BY run.id LIMIT %(limit)s"
_UNSUSPECTED: LiteralString = "AND run.deaths < %(suspected)s ORDER BY run.id LIMIT %(limit)s"
_SUSPECT: LiteralString = "AND run.deaths >= %(suspected)s ORDER BY run.deaths, run.id LIMIT %(limit)s"
_THIS: LiteralString = "AND run.id = %(id)s AND run.deaths < %(suspected)s"
_LOCK: LiteralString = "FOR UPDATE OF run SKIP LOCKED"

_NEXT: LiteralString = """
SELECT min(due_at) FROM workflow_run
WHERE due_at > %s AND owner IS NULL AND status IN ('waiting', 'compensating')"""
_OWN: LiteralString = """
SELECT id FROM workflow_run WHERE owner = %s AND status IN ('running', 'compensating')"""
_HAND_OVER: LiteralString = """
UPDATE workflow_run SET owner = NULL WHERE owner = %s AND status IN ('running', 'compensating')"""
_LET_GO: LiteralString = """
UPDATE workflow_run SET owner = NULL
WHERE id = %s AND epoch = %s AND owner = %s AND status IN ('running', 'compensating')"""
_FORGET: LiteralString = """
DELETE FROM workflow_process AS process
WHERE beat_at < clock_timestamp() - %s AND id <> %s AND NOT EXISTS (
    SELECT FROM workflow_run WHERE owner = process.id AND status IN ('running', 'compensating'))"""


class Claimed(NamedTuple):
    """A run that this process is to drive; `taken_over` from another one, which died."""

    record: Record
    row: RunRow
    deaths: int
    """How many processes have died with it since its journal grew last."""
    taken_over: bool
    at: float
    """When it was claimed, on the monotonic clock."""
    later: list[str]
    """What the run's later flushes have added to the journal, still encoded."""


class Recovery:
    """Claims lost runs for this process."""

    def __init__(self, container: Container, registry: Registry, heartbeat: Heartbeat) -> None:
        self._container = container
        self._registry = registry
        self._heartbeat = heartbeat
        self._session = Session(container.engine)
        self._avoided: dict[str, tuple[float, float]] = {}
        """Until when a run is left alone, and how long that is."""
        self.queued_after: float | None = 0
        """After how many seconds a queued run is taken up here, None for never."""

    async def orphans(self, driven: Callable[[], set[str]]) -> list[str]:
        """Return the runs that name this process although it does not drive them."""
        rows = await self._session.sql(_OWN, (self._heartbeat.process_id,))
        # Asked afterwards: a run has a driver before it has a row.
        known = driven()
        return [id for (id,) in rows if id not in known]

    async def claim(self, orphans: list[str], limit: int) -> list[Claimed]:
        """Return up to `limit` lost or due runs of each kind, which are this process's from now on."""
        values = {**self._values(), "orphans": orphans, "limit": limit}
        return [*await self._claim(_LOST, _UNSUSPECTED, values), *await self._claim(_DUE, _LIMIT, values)]

    async def claim_suspects(self, orphans: list[str], limit: int) -> list[Claimed]:
        """Return up to `limit` runs that several processes have died with, those first with which fewest have."""
        return await self._claim(_LOST, _SUSPECT, {**self._values(), "orphans": orphans, "limit": limit})

    async def claim_this(self, run_id: str, *, queued: bool) -> list[Claimed]:
        """Return one run, which is this process's from now on, if it is lost or due, or else `queued`.

        Not if several processes have died with it: then it is the sweep's.
        """
        values = {**self._values(), "orphans": list[str](), "id": run_id, "queued_before": None}
        if queued:
            rows = await self._session.sql(_CLAIM_QUEUED, values)
            if rows:
                return self._readable(rows, {run_id: []}, time.monotonic())
        return [*await self._claim(_LOST, _THIS, values), *await self._claim(_DUE, _THIS, values)]

    async def _claim(self, look: LiteralString, which: LiteralString, values: dict[str, Any]) -> list[Claimed]:
        if not await self._session.sql(f"{look} {which}", values):
            return []
        claim: LiteralString = f"WITH lost AS ({look} {which} {_LOCK}) {_CLAIM} {_ALL}, lost.taken_over"
        at = time.monotonic()
        rows = await self._session.sql(claim, values)
        # A statement of its own: the old owner may have added some while the claim waited for its lock.
        later = await read_later(self._session, [row[0] for row in rows])
        return self._readable(rows, later, at)

    async def read(self, session: Session, run_id: str) -> Claimed:
        """Return a run as it stands, without claiming it; raises `RunNotFound`."""
        rows = await session.sql(_READ, (run_id,))
        if not rows:
            raise RunNotFound(f"there is no run {run_id}")
        return self._read(rows[0], [], time.monotonic())

    async def next_due(self) -> datetime | None:
        """Return when the next run is due that nobody drives."""
        [(due_at,)] = await self._session.sql(_NEXT, (self._container.clock.now(),))
        return due_at

    def _values(self) -> dict[str, Any]:
        now = time.monotonic()
        clock = self._container.clock.now()
        after = self.queued_after
        return {
            "queued_before": None if after is None else clock - timedelta(seconds=after),
            "me": self._heartbeat.process_id,
            "lease": timedelta(seconds=self._container.config.engine.lease_seconds),
            "now": clock,
            "suspected": SUSPECTED,
            "others": not self._heartbeat.patient,
            "workflows": [id for id, _ in self._registry.definitions],
            "versions": [version for _, version in self._registry.definitions],
            "avoided": [id for id, (until, _) in self._avoided.items() if until > now],
        }

    def _readable(self, rows: list[Tuple], later: dict[str, list[str]], at: float) -> list[Claimed]:
        claimed: list[Claimed] = []
        for row in rows:
            try:
                claimed.append(self._read(row, later[row[0]], at))
            except Exception as error:  # noqa: BLE001, whatever is wrong with the row
                # One row that cannot be read must not keep the others from being driven.
                self.avoid(row[0], error)
        return claimed

    def avoid(self, run_id: str, error: BaseException) -> float:
        """Leave a run alone that could not be driven, twice as long as the last time; return the seconds."""
        _, last = self._avoided.get(run_id, (0, 0))
        pause = min(last * 2, LAST_PAUSE) or FIRST_PAUSE
        self._leave_alone(run_id, pause)
        log.error("recovery_failed", run_id=run_id, error=repr(error), again_in=pause)
        return pause

    def _leave_alone(self, run_id: str, pause: float) -> None:
        now = time.monotonic()
        # Nobody tells of those that others have driven meanwhile.
        self._avoided = {id: each for id, each in self._avoided.items() if each[0] + LAST_PAUSE > now}
        self._avoided[run_id] = now + pause, pause

    def driven(self, run_id: str) -> None:
        """Forget that a run could not be driven."""
        self._avoided.pop(run_id, None)

    async def let_go(self, row: RunRow, error: Exception) -> None:
        """Leave a claimed run to others, which may know its steps."""
        await self._session.sql(_LET_GO, (row.id, row.epoch, self._heartbeat.process_id))
        self._leave_alone(row.id, LAST_PAUSE)
        log.warning("run_left_to_others", run_id=row.id, error=str(error))

    async def forget_the_dead(self) -> None:
        """Delete the rows of processes that died long ago and left nothing."""
        lease = timedelta(seconds=self._container.config.engine.lease_seconds)
        await self._session.sql(_FORGET, (LEASES_KEPT * lease, self._heartbeat.process_id))

    def _read(self, row: Tuple, later: list[str], at: float) -> Claimed:
        run = RunRow(*row[:9])
        workflow, version, given, context, created_at, deadline_at, subject, deaths, taken_over = row[9:]
        record = Record(
            self._container,
            self._registry.nearest(workflow, version),
            canonical(given),
            run_id=run.id,
            key=run.key,
            context=msgspec.json.decode(context),
            created_at=created_at,
            owner=self._heartbeat.process_id,
        )
        record.input_hash = run.input_hash
        record.deadline_at, record.subject = deadline_at, subject
        return Claimed(record, run, deaths, taken_over, at, later)

    async def hand_over(self) -> None:
        """Leave what this process has not finished to the others, at once."""
        me = (self._heartbeat.process_id,)
        if await self._session.sql(_OWN, me):
            await self._session.sql(_HAND_OVER, me)
