"""Deletions that follow links, and the way back."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Text, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from ..container import Scope
from ..db import Transaction
from .definition import AnyEntity
from .registry import Cascade, LinkRegistry

Record = tuple[str, str]
"""The name of an entity and an id."""

FORGET = "DELETE FROM link_deletion WHERE root_entity = %s AND root_id = ANY(%s)"
RECALL = f"{FORGET} RETURNING root_id, entity, record_id, deleted_at"
KNOWN = """
    SELECT root_id, deleted_at FROM link_deletion
    WHERE root_entity = %s AND root_id = ANY(%s) AND entity = root_entity AND record_id = root_id"""
REMEMBER = """
    INSERT INTO link_deletion (root_entity, root_id, entity, record_id, deleted_at)
    SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[]) ON CONFLICT DO NOTHING"""


class CascadingDeletion:
    """Soft-deletes records with what is linked to them; `link_deletion` keeps what went with which of them.

    That `deleted_at` is equal would not tell: every repository takes its own time, and two deletions may be of one
    instant.
    """

    def __init__(self, scope: Scope, registry: LinkRegistry, transaction: Transaction) -> None:
        self._scope = scope
        self._registry = registry
        self._transaction = transaction
        self._gone: set[Record] = set()
        self._led_to: dict[Record, list[Record]] = {}

    async def delete(self, entity: AnyEntity, ids: Sequence[str]) -> None:
        """Delete the records, then all that their links lead to, as far as it is live."""
        roots = sorted(set(ids))
        await self._live(entity, roots)
        level = {entity: roots}
        while level:
            for each, found in level.items():
                await self._registry.repository(self._scope, each).soft_delete(found)
                self._gone.update((each.name, id) for id in found)
            level = await self._next(level)
        await self._remember(entity, roots)

    async def restore(self, entity: AnyEntity, ids: Sequence[str]) -> None:
        """Restore the records and what was deleted with them, unless that has been restored or deleted since."""
        roots = sorted(set(ids))
        found = await self._transaction.sql(RECALL, (entity.name, roots))
        rows = [(root, (name, record), at) for root, name, record, at in found]
        times = await self._times([(entity.name, id) for id in roots] + [record for _, record, _ in rows])
        valid = {root for root, record, at in rows if record == (entity.name, root) and times.get(record) == at}
        back = {record for root, record, at in rows if root in valid and times.get(record) == at}
        for name, records in _by_entity([*((entity.name, id) for id in roots), *back]).items():
            await self._registry.repository(self._scope, self._registry.entity(name)).restore(records)

    async def _next(self, level: Mapping[AnyEntity, Sequence[str]]) -> dict[AnyEntity, list[str]]:
        """Return the live records that the deleted ones lead to."""
        reached: dict[AnyEntity, set[str]] = {}
        for entity, ids in level.items():
            for way in self._registry.cascades(entity):
                for source, target in await self._pairs(way, ids):
                    self._led_to.setdefault((entity.name, source), []).append((way.target.entity.name, target))
                    reached.setdefault(way.target.entity, set()).add(target)
        live = {entity: await self._live(entity, ids) for entity, ids in reached.items()}
        return {entity: ids for entity, ids in live.items() if ids}

    async def _pairs(self, way: Cascade, ids: Sequence[str]) -> list[tuple[str, str]]:
        table = way.link.table
        source, target = table.c[way.source.column], table.c[way.target.column]
        found = select(source, target).where(source == any_(_array(ids)), table.c.deleted_at.is_(None))
        rows: list[Any] = list(await self._transaction.execute(found))
        return [(one, other) for one, other in rows]

    async def _live(self, entity: AnyEntity, ids: Iterable[str]) -> list[str]:
        """Lock the live ones: nobody deletes them meanwhile or links anything to them, and return them."""
        columns = entity.table.c
        live = select(columns.id).where(columns.id == any_(_array(ids)), columns.deleted_at.is_(None))
        return list((await self._transaction.execute(live.order_by(columns.id).with_for_update())).scalars())

    async def _times(self, records: Iterable[Record]) -> dict[Record, datetime]:
        """Return when records were deleted."""
        times: dict[Record, datetime] = {}
        for name, ids in _by_entity(records).items():
            columns = self._registry.entity(name).table.c
            found = select(columns.id, columns.deleted_at).where(
                columns.id == any_(_array(ids)), columns.deleted_at.is_not(None)
            )
            rows: list[Any] = list(await self._transaction.execute(found.with_for_update()))
            times |= {(name, id): at for id, at in rows}
        return times

    async def _remember(self, entity: AnyEntity, roots: Sequence[str]) -> None:
        times = await self._times(self._gone)
        known: dict[Any, Any] = dict(await self._transaction.sql(KNOWN, (entity.name, list(roots))))
        # What is known of a root that was restored since, past this class, says nothing about this deletion.
        stale = [root for root, at in known.items() if times.get((entity.name, root)) != at]
        await self._transaction.sql(FORGET, (entity.name, stale))
        rows = [(root, *record, times[record]) for root in roots for record in self._taken_along((entity.name, root))]
        await self._transaction.sql(REMEMBER, (entity.name, *map(list, zip(*rows, strict=True))))

    def _taken_along(self, root: Record) -> set[Record]:
        """Return what this deletion took because of `root`, itself included."""
        taken, ahead = {root}, [root]
        while ahead:
            new = self._gone.intersection(self._led_to.get(ahead.pop(), [])) - taken
            taken |= new
            ahead.extend(new)
        return taken


def _by_entity(records: Iterable[Record]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for name, id in records:
        found.setdefault(name, set()).add(id)
    return {name: sorted(ids) for name, ids in found.items()}


def _array(ids: Iterable[str]) -> Any:
    return literal(sorted(ids), ARRAY(Text()))
