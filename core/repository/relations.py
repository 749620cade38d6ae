"""Relations within a module: one more statement for each."""

from collections import defaultdict
from collections.abc import Sequence
from types import NoneType
from typing import Any, get_args

import msgspec
from sqlalchemy import Text, any_, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from ..db import Session
from ..entity import EntityTable, Relation
from ..errors import InvalidData
from .selection import as_dicts, columns_of

Rows = list[dict[str, Any]]


class Relations:
    """Loads related rows into rows: `["staff", "staff.availability_rules"]`."""

    def __init__(self, session: Session, *, with_deleted: bool) -> None:
        self._session = session
        self._with_deleted = with_deleted

    async def load(self, entity: EntityTable[Any], rows: Rows, names: Sequence[str]) -> None:
        """Add each relation to every row; raise `InvalidData` for a name that is none."""
        for name, deeper in _by_head(names).items():
            relation = entity.relations.get(name)
            if relation is None:
                raise InvalidData(f"{entity.name} has no relation {name!r}", field=name)
            mine, theirs = ("id", relation.by) if relation.many else (relation.by, "id")
            target = entity.siblings[relation.entity]
            related = await self._related(target, theirs, {row[mine] for row in rows} - {None})
            await self.load(target, related, deeper)
            _attach(entity, name, relation, rows, related)

    async def _related(self, target: EntityTable[Any], key: str, values: set[str]) -> Rows:
        if not values:
            return []
        columns = columns_of(target, None, key)
        alive = true() if self._with_deleted else target.table.c.deleted_at.is_(None)
        wanted = target.table.c[key] == any_(literal(sorted(values), ARRAY(Text())))
        statement = select(*columns.values()).where(wanted, alive).order_by(target.table.c.id)
        return as_dicts(columns, await self._session.read(statement))


def _by_head(names: Sequence[str]) -> dict[str, list[str]]:
    heads: dict[str, list[str]] = {}
    for name in names:
        head, _, rest = name.partition(".")
        heads.setdefault(head, []).extend([rest] if rest else [])
    return heads


def _attach(entity: EntityTable[Any], name: str, relation: Relation, rows: Rows, related: Rows) -> None:
    if relation.many:
        children: defaultdict[str, Rows] = defaultdict(list)
        for child in related:
            children[child[relation.by]].append(child)
        for row in rows:
            row[name] = children[row["id"]]
        return
    parents = {parent["id"]: parent for parent in related}
    for row in rows:
        if row[relation.by] in parents:
            row[name] = parents[row[relation.by]]
        elif _takes_none(entity, name):
            row[name] = None


def _takes_none(entity: EntityTable[Any], name: str) -> bool:
    """Whether the Struct can say that there is no related row; else the field stays `UNSET`."""
    fields = {field.name: field.type for field in msgspec.structs.fields(entity.struct)}
    return NoneType in get_args(fields.get(name))
