"""Random studios, and random questions about them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any, Literal

from core.repository.selection import Order

from .oracle import WAYS, Pair, Question, Tree, World
from .studio import Level

THEN = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)
TEXTS = ["a", "B", "ab", "ä", "Z_"]
VALUES: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "lesson": {
        "title": TEXTS,
        "note": [None, *TEXTS],
        "size": [0, 1, 2],
        "weight": [None, 1, 2**40],
        "level": [Level.EASY, Level.HARD],
        "starts_at": [None, THEN, LATER],
        "day": [None, date(2026, 2, 28), date(2026, 3, 1)],
        "price": [None, Decimal("1.500"), Decimal("20.000")],
        "tags": [None, [], ["x"], ["x", "y"]],
        "colours": [None, [], ["x"], ["x", "y"]],
        "is_open": [True, False],
    },
    "teacher": {"name": TEXTS, "rank": [None, 1, 2]},
    "pupil": {"email": [None, *TEXTS], "age": [1, 2]},
    "invoice": {"number": [1, 2], "status": [None, "open", "paid"]},
    "item": {"title": TEXTS, "quantity": [None, 1, 2]},
}
SORTABLE = {
    entity: [name for name in columns if name not in ("tags", "colours")] + ["id"] for entity, columns in VALUES.items()
}
LINKS = {
    "lesson_pupil": ("lesson", "pupil"),
    "lesson_invoice": ("lesson", "invoice"),
    "teacher_pupil": ("teacher", "pupil"),
}
ONE_EACH = {"lesson_pupil": (0,), "lesson_invoice": (0, 1), "teacher_pupil": ()}
"""The sides whose rows have at most one live pair."""


class Dice:
    """Draws worlds and questions."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def _one_in(self, number: int) -> bool:
        return self._random.randrange(number) == 0

    def _deleted_at(self) -> datetime | None:
        return self._random.choice([THEN, LATER]) if self._one_in(4) else None

    def world(self) -> World:
        """Draw a studio of a few rows."""
        rows = {name: [self._row(name, number) for number in range(self._random.randrange(1, 6))] for name in VALUES}
        for lesson in rows["lesson"]:
            lesson["teacher_id"] = None if self._one_in(3) else self._random.choice(rows["teacher"])["id"]
        for item in rows["item"]:
            item["invoice_id"] = self._random.choice(rows["invoice"])["id"]
        return World(rows, {name: self._pairs(name, rows[left], rows[right]) for name, (left, right) in LINKS.items()})

    def _row(self, entity: str, number: int) -> dict[str, Any]:
        row: dict[str, Any] = {"id": f"{entity}_{number}", "deleted_at": self._deleted_at()}
        return row | {name: self._random.choice(values) for name, values in VALUES[entity].items()}

    def _pairs(self, link: str, lefts: Sequence[Any], rights: Sequence[Any]) -> list[Pair]:
        found: list[Pair] = []
        for left in lefts:
            for right in rights:
                pair = Pair(left["id"], right["id"], self._deleted_at())
                live = [other for other in found if other.deleted_at is None]
                taken = any(pair[side] == other[side] for side in ONE_EACH[link] for other in live)
                if self._one_in(2) and (pair.deleted_at is not None or not taken):
                    found.append(pair)
        return found

    def question(self) -> Question:
        """Draw a graph."""
        entity = self._random.choice(list(VALUES))
        return Question(
            entity=entity,
            tree=self._tree(entity, 0),
            filters={} if self._one_in(4) else self._filter(entity, 0),
            skip=0 if self._one_in(2) else self._random.randrange(3),
            with_deleted=self._one_in(3),
        )

    def _tree(self, entity: str, depth: int) -> Tree:
        columns = self._random.sample([*VALUES[entity], "id"], self._random.randrange(1, 4))
        related = {
            name: self._tree(way.target, depth + 1)
            for name, way in WAYS[entity].items()
            if depth < 3 and self._one_in(depth + 1)
        }
        order: Order = {self._path(entity): self._direction() for _ in range(self._random.randrange(3))}
        return Tree(columns, related, order, self._random.randrange(4) if self._one_in(2) else None)

    def _direction(self) -> Literal["asc", "desc"]:
        return "asc" if self._one_in(2) else "desc"

    def _path(self, entity: str) -> str:
        """Draw a path to sort by."""
        ones = {name: way.target for name, way in WAYS[entity].items() if not way.many}
        if ones and self._one_in(3):
            name = self._random.choice(list(ones))
            return f"{name}.{self._path(ones[name])}"
        return self._random.choice(SORTABLE[entity])

    def _filter(self, entity: str, depth: int) -> dict[str, Any]:
        members = [self._member(entity, depth) for _ in range(self._random.randrange(1, 4 if depth == 0 else 3))]
        return dict(members)

    def _member(self, entity: str, depth: int) -> tuple[str, Any]:
        if depth < 3 and self._one_in(5):
            return "$not", self._filter(entity, depth + 1)
        if depth < 3 and self._one_in(4):
            parts = [self._filter(entity, depth + 1) for _ in range(self._random.randrange(3))]
            return self._random.choice(["$and", "$or"]), parts
        path, at = "", entity
        while WAYS[at] and not self._one_in(2) and path.count(".") < 3:
            name = self._random.choice(list(WAYS[at]))
            path, at = f"{path}{name}.", WAYS[at][name].target
        column = self._random.choice([*VALUES[at], "id"])
        values = VALUES[at].get(column) or [f"{at}_{number}" for number in range(4)]
        return f"{path}{column}", self._condition(column, values)

    def _condition(self, column: str, values: Sequence[Any]) -> Any:
        some = [value for value in values if value is not None]
        kind = self._random.randrange(4)
        if column in ("tags", "colours"):
            return {"$contains": self._random.choice(some)} if kind else {"$exists": self._one_in(2)}
        if kind == 0:
            return self._random.choice(values)
        if kind == 1:
            return self._random.sample(values, self._random.randrange(min(3, len(values)) + 1))
        return dict(self._operator(values, some) for _ in range(self._random.randrange(1, 3)))

    def _operator(self, values: Sequence[Any], some: Sequence[Any]) -> tuple[str, Any]:
        if isinstance(some[0], str) and not isinstance(some[0], Level) and self._one_in(4):
            return self._random.choice(["$like", "$ilike"]), self._random.choice(["a%", "_", "%b", "%"])
        kind = self._random.randrange(6)
        if kind == 0:
            return "$not", dict([self._operator(values, some)])
        if kind == 1:
            return "$or", [dict([self._operator(values, some)]) for _ in range(self._random.randrange(3))]
        chosen = self._random.sample(values, self._random.randrange(min(3, len(values)) + 1))
        operands = {
            ("$eq", "$ne"): self._random.choice(values),
            ("$gt", "$gte", "$lt", "$lte"): self._random.choice(some),
            ("$in", "$nin"): chosen,
            ("$exists",): self._one_in(2),
        }
        names = self._random.choice(list(operands))
        return self._random.choice(names), operands[names]
