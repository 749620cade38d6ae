"""What a graph has to answer, evaluated in memory, row by row, from the semantics alone.

Every hop hides soft-deleted links and records unless asked not to. What a filter says of one to-many path is met by
one and the same row. `$ne` and `$nin` keep NULLs, `$not` is the complement, NULLs sort last, text by code point, ids
break ties. Where dismissed links lead to several for one, the pair that is not dismissed counts, else the last one.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from operator import ge, gt, le, lt
from typing import Any, NamedTuple, cast

from core.repository.selection import Order

Row = Mapping[str, Any]
NEVER = datetime.max.replace(tzinfo=UTC)


class Pair(NamedTuple):
    """A link's row."""

    left: str
    right: str
    deleted_at: datetime | None


class World(NamedTuple):
    """All rows by entity, all pairs by link."""

    rows: dict[str, list[dict[str, Any]]]
    pairs: dict[str, list[Pair]]


class Way(NamedTuple):
    """How one entity finds another: by equal columns, or over a link from its left or its right side."""

    target: str
    many: bool
    mine: str = "id"
    theirs: str = "id"
    link: str = ""
    backwards: bool = False


WAYS: dict[str, dict[str, Way]] = {
    "lesson": {
        "teacher": Way("teacher", many=False, mine="teacher_id"),
        "pupil": Way("pupil", many=False, link="lesson_pupil"),
        "invoice": Way("invoice", many=False, link="lesson_invoice"),
    },
    "teacher": {
        "lessons": Way("lesson", many=True, theirs="teacher_id"),
        "pupils": Way("pupil", many=True, link="teacher_pupil"),
    },
    "pupil": {
        "lessons": Way("lesson", many=True, link="lesson_pupil", backwards=True),
        "mentors": Way("teacher", many=True, link="teacher_pupil", backwards=True),
    },
    "invoice": {
        "items": Way("item", many=True, theirs="invoice_id"),
        "lesson": Way("lesson", many=False, link="lesson_invoice", backwards=True),
    },
    "item": {},
}


class Tree(NamedTuple):
    """What is asked of one entity: columns, related rows, and how to list these."""

    columns: Sequence[str]
    related: Mapping[str, "Tree"]
    order: Order
    take: int | None


class Question(NamedTuple):
    """A graph."""

    entity: str
    tree: Tree
    filters: Mapping[str, Any]
    skip: int
    with_deleted: bool


class Oracle:
    """Answers questions about a world."""

    def __init__(self, world: World, *, with_deleted: bool) -> None:
        self._world = world
        self._with_deleted = with_deleted

    def answer(self, asked: Question) -> tuple[list[dict[str, Any]], int]:
        """Return the page, and how many rows there are in all."""
        everything = [row for row in self._world.rows[asked.entity] if self._is_seen(row["deleted_at"])]
        found = [row for row in everything if self.meets(asked.entity, row, asked.filters)]
        return self._list(asked.entity, found, asked.tree, asked.skip), len(found)

    def meets(self, entity: str, row: Row | None, filters: Mapping[str, Any]) -> bool:
        """Tell whether a row meets a filter; of a row that is missing every field is NULL."""
        related: dict[str, dict[str, Any]] = {}
        for name, value in filters.items():
            head, _, rest = name.partition(".")
            if head in WAYS[entity]:
                related.setdefault(head, {})[rest] = value
            elif not self._meets_member(entity, row, name, value):
                return False
        return all(self._meets_related(entity, row, name, inner) for name, inner in related.items())

    def _meets_member(self, entity: str, row: Row | None, name: str, value: Any) -> bool:
        if name == "$not":
            return not self.meets(entity, row, value)
        if name in ("$and", "$or"):
            return {"$and": all, "$or": any}[name](self.meets(entity, row, one) for one in value)
        return fits(None if row is None else row[name], value)

    def _meets_related(self, entity: str, row: Row | None, name: str, filters: Mapping[str, Any]) -> bool:
        way = WAYS[entity][name]
        found: Sequence[Row] = () if row is None else self.related(row, way)
        if way.many:
            return any(self.meets(way.target, one, filters) for one in found)
        return self.meets(way.target, found[0] if found else None, filters)

    def related(self, row: Row, way: Way) -> Sequence[Row]:
        """Return the rows that a way leads to; of one, if there is any."""
        targets = [one for one in self._world.rows[way.target] if self._is_seen(one["deleted_at"])]
        if not way.link:
            return [one for one in targets if row[way.mine] is not None and one[way.theirs] == row[way.mine]]
        pairs = [pair for pair in self._world.pairs[way.link] if self._is_seen(pair.deleted_at)]
        ends = [(pair.right, pair.left, pair) if way.backwards else (pair.left, pair.right, pair) for pair in pairs]
        ends = [(mine, theirs, pair) for mine, theirs, pair in ends if mine == row["id"]]
        found = [(pair, one) for _, theirs, pair in ends for one in targets if one["id"] == theirs]
        if way.many:
            return [one for _, one in found]
        found.sort(key=lambda each: each[1]["id"])
        found.sort(key=lambda each: each[0].deleted_at or NEVER, reverse=True)
        return [one for _, one in found][:1]

    def _list(self, entity: str, rows: Sequence[Row], tree: Tree, skip: int = 0) -> list[dict[str, Any]]:
        ordered = sorted(rows, key=lambda row: row["id"])
        for path, direction in reversed(list(tree.order.items())):
            keys = {row["id"]: self._value_at(entity, row, path) for row in ordered}
            known = [row for row in ordered if keys[row["id"]] is not None]
            unknown = [row for row in ordered if keys[row["id"]] is None]
            ordered = sorted(known, key=lambda row: keys[row["id"]], reverse=direction == "desc") + unknown
        page = ordered[skip:] if tree.take is None else ordered[skip : skip + tree.take]
        return [self._show(entity, row, tree) for row in page]

    def _show(self, entity: str, row: Row, tree: Tree) -> dict[str, Any]:
        shown = {name: row[name] for name in tree.columns}
        for name, deeper in tree.related.items():
            way = WAYS[entity][name]
            found = self.related(row, way)
            if way.many:
                shown[name] = self._list(way.target, found, deeper)
            else:
                shown[name] = self._show(way.target, found[0], deeper) if found else None
        return shown

    def _value_at(self, entity: str, row: Row, path: str) -> Any:
        head, dot, rest = path.partition(".")
        if not dot:
            return row[head]
        way = WAYS[entity][head]
        found = self.related(row, way)
        return self._value_at(way.target, found[0], rest) if found else None

    def _is_seen(self, deleted_at: datetime | None) -> bool:
        return self._with_deleted or deleted_at is None


def fits(value: Any, wanted: Any) -> bool:
    """Tell whether a value is as wanted: equal, one of a list, or as all operators say."""
    if isinstance(wanted, Mapping):
        return all(_operate(value, name, operand) for name, operand in cast("Row", wanted).items())
    return value in wanted if isinstance(wanted, list) else value == wanted


def _operate(value: Any, name: str, operand: Any) -> bool:
    match name:
        case "$eq" | "$in":
            return fits(value, operand)
        case "$ne" | "$nin" | "$not":
            return not fits(value, operand)
        case "$exists":
            return (value is not None) is operand
        case "$and":
            return all(fits(value, one) for one in operand)
        case "$or":
            return any(fits(value, one) for one in operand)
        case _:
            return value is not None and COMPARISONS[name](value, operand)


def _is_like(value: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace("%", ".*").replace("_", "."), value) is not None


COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$gt": gt,
    "$gte": ge,
    "$lt": lt,
    "$lte": le,
    "$contains": lambda value, operand: set(operand) <= set(value),
    "$like": _is_like,
    "$ilike": lambda value, pattern: _is_like(value.lower(), pattern.lower()),
}
