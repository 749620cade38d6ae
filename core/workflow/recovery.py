"""Recovery: the sweep that claims runs which nobody drives any more.

A run is lost when the process that owns it has not beaten for a lease, when nobody owns it, or when this process is
its owner and does not drive it. Each claim raises the epoch, so that what the old owner still writes is refused.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, LiteralString

import msgspec

from ..container import Container
from ..db import Session
from ..db.session import Tuple
from ..heartbeat import Heartbeat
from .codec import canonical
from .journal import RunRow
from .record import Record
from .registry import Registry

BATCH = 100

# Looked for without a lock, so that a sweep that finds nothing writes nothing.
_LOST: LiteralString = """
WITH alive AS (
    SELECT id FROM workflow_process WHERE beat_at > clock_timestamp() - %(lease)s)
SELECT run.id FROM workflow_run AS run
WHERE run.status IN ('running', 'compensating')
    AND (run.owner IS NULL OR run.id = ANY(%(orphans)s) OR (
        %(others)s AND run.owner <> %(me)s AND run.owner NOT IN (SELECT id FROM alive)
        AND %(me)s IN (SELECT id FROM alive)))
    AND ((run.workflow, run.version) IN (SELECT * FROM unnest(%(workflows)s::text[], %(versions)s::integer[]))
        OR run.status = 'compensating' AND run.workflow = ANY(%(workflows)s))
ORDER BY run.id LIMIT %(limit)s"""

_CLAIM: LiteralString = f"""
WITH lost AS ({_LOST} FOR UPDATE OF run SKIP LOCKED)
UPDATE workflow_run AS run SET epoch = run.epoch + 1, owner = %(me)s
FROM lost WHERE run.id = lost.id
RETURNING run.id, run.epoch, run.status, run.input_hash, run.entries::text, run.result::text, run.error::text, run.key,
    run.workflow, run.version, run.input::text, run.context::text, run.created_at"""  # noqa: S608, put together from constants

_OWN: LiteralString = """
SELECT id FROM workflow_run WHERE owner = %s AND status IN ('running', 'compensating')"""
_HAND_OVER: LiteralString = """
UPDATE workflow_run SET owner = NULL WHERE owner = %s AND status IN ('running', 'compensating')"""


class Recovery:
    """Claims lost runs for this process."""

    def __init__(self, container: Container, registry: Registry, heartbeat: Heartbeat) -> None:
        self._container = container
        self._registry = registry
        self._heartbeat = heartbeat
        self._session = Session(container.engine)

    async def orphans(self, driven: Callable[[], set[str]]) -> list[str]:
        """Return the runs that name this process although it does not drive them."""
        rows = await self._session.sql(_OWN, (self._heartbeat.process_id,))
        # Asked afterwards: a run has a driver before it has a row.
        known = driven()
        return [id for (id,) in rows if id not in known]

    async def claim(self, orphans: list[str]) -> list[tuple[Record, RunRow]]:
        """Return up to a batch of lost runs, which are this process's from now on."""
        values: dict[str, Any] = {
            "me": self._heartbeat.process_id,
            "lease": timedelta(seconds=self._container.config.engine.lease_seconds),
            "orphans": orphans,
            "others": not self._heartbeat.patient,
            "workflows": [id for id, _ in self._registry.definitions],
            "versions": [version for _, version in self._registry.definitions],
            "limit": BATCH,
        }
        if not await self._session.sql(_LOST, values):
            return []
        return [self._lost_run(row) for row in await self._session.sql(_CLAIM, values)]

    def _lost_run(self, row: Tuple) -> tuple[Record, RunRow]:
        run, (workflow, version, given, context, created_at) = RunRow(*row[:8]), row[8:]
        record = Record(
            self._container,
            self._registry.definition(workflow, version),
            canonical(given),
            run_id=run.id,
            key=run.key,
            context=msgspec.json.decode(context),
            created_at=created_at,
            owner=self._heartbeat.process_id,
        )
        record.input_hash = run.input_hash
        return record, run

    async def hand_over(self) -> None:
        """Leave what this process has not finished to the others, at once."""
        me = (self._heartbeat.process_id,)
        if await self._session.sql(_OWN, me):
            await self._session.sql(_HAND_OVER, me)
