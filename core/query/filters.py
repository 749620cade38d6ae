"""Filters of a graph: Medusa's operators on fields of linked entities, read into a tree before any SQL.

What is said of one to-many path within one object is said of the same row.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, cast

import msgspec
from msgspec.structs import replace
from sqlalchemy import BindParameter
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import visitors

from ..errors import InvalidData
from ..repository.fields import Field
from ..repository.filters import DEEPEST, Clause, Filters, condition, listed
from .limits import MOST_CONDITIONS, MOST_PARTS, check_depth, check_number, is_object, no_field, shown
from .registry import Hop, Node, Registry


class Condition(msgspec.Struct, frozen=True, eq=False):
    """What is demanded of one field."""

    name: str
    field: Field
    """Its name is the path."""
    value: object

    def clause(self, column: Any) -> Clause:
        """Return it as a clause on that column."""
        return condition(replace(self.field, column=column), self.value)


class Through(msgspec.Struct, frozen=True, eq=False):
    """What is demanded of the related row, or of one of them."""

    hop: Hop
    part: "Part"


class All(msgspec.Struct, frozen=True, eq=False):
    """All of it is demanded."""

    parts: Sequence["Part"]


class Either(msgspec.Struct, frozen=True, eq=False):
    """One of them is demanded."""

    parts: Sequence["Part"]


class Complement(msgspec.Struct, frozen=True, eq=False):
    """Demanded is that it is not so."""

    part: "Part"


Part = Condition | Through | All | Either | Complement


def read(registry: Registry, node: Node, filters: Filters | None) -> All:
    """Return the filters as a tree; raise `InvalidData`, naming the path, for whatever does not fit."""
    tree = _Reader(registry).all(node, {} if filters is None else filters, "", 0)
    check_number("conditions", sum(_operators(one.value) for one in conditions(tree)), MOST_CONDITIONS)
    check_number("hops, objects and conditions", sum(1 for _ in _parts(tree)), MOST_PARTS)
    return tree


def conditions(part: Part) -> Iterator[Condition]:
    """Yield the conditions from left to right."""
    return (one for one in _parts(part) if isinstance(one, Condition))


def _parts(part: Part) -> Iterator[Part]:
    yield part
    match part:
        case Condition():
            pass
        case All() | Either():
            for one in part.parts:
                yield from _parts(one)
        case Through() | Complement():
            yield from _parts(part.part)


def shape(part: Part) -> Any:
    """Return what SQL depends on: everything but the values."""
    match part:
        case Condition():
            return part.name, _shape_of(part.field, part.value)
        case All() | Either():
            return type(part).__name__, *map(shape, part.parts)
        case Through():
            return part.hop.name, shape(part.part)
        case Complement():
            return "not", shape(part.part)


def binds(part: Part) -> Iterator[BindParameter[Any]]:
    """Yield the values from left to right, checked; raise `InvalidData` for one that does not fit."""
    for one in conditions(part):
        yield from binds_in(one.clause(one.field.column))


def binds_in(clause: Clause) -> Iterator[BindParameter[Any]]:
    """Yield the values in a clause."""
    for element in visitors.iterate(clause):
        if isinstance(element, BindParameter):
            yield cast("BindParameter[Any]", element)


class _Reader(msgspec.Struct, frozen=True):
    registry: Registry

    def all(self, node: Node, filters: object, at: str, depth: int) -> All:
        """Return the tree of one object."""
        if not is_object(filters):
            raise InvalidData(f"a filter is an object, not {shown(repr(filters))}", field=at[:-1])
        if depth > DEEPEST:
            raise InvalidData("the filters are nested too deeply", field=at[:-1])
        parts: list[Part] = []
        related: dict[str, dict[str, object]] = {}
        for name, value in cast("Filters", filters).items():
            head, _, rest = name.partition(".")
            if head in node.hops and rest:
                check_depth(f"{at}{name}")
                related.setdefault(head, {})[rest] = value
            else:
                parts.append(self.part(node, name, value, at, depth))
        for name, inner in related.items():
            hop = node.hops[name]
            parts.append(Through(hop, self.all(self.registry[hop.target], inner, f"{at}{name}.", depth + 1)))
        return All(parts)

    def part(self, node: Node, name: str, value: object, at: str, depth: int) -> Part:
        """Return the tree of one member of an object that is about this entity."""
        if name == "$not":
            return Complement(self.all(node, value, at, depth + 1))
        if name in ("$and", "$or"):
            kind = All if name == "$and" else Either
            return kind([self.all(node, one, at, depth + 1) for one in listed(name, value)])
        if name not in node.fields:
            raise no_field(node, name.partition(".")[0], f"{at}{name}")
        return Condition(name, replace(node.fields[name], name=f"{at}{name}"), value)


def _operators(value: object) -> int:
    if not isinstance(value, Mapping):
        return 1
    inner = [
        listed(name, one) if name in ("$and", "$or") else [one] if name == "$not" else [None]
        for name, one in cast("Filters", value).items()
    ]
    return sum(map(_operators, chain.from_iterable(inner)))


def _shape_of(field: Field, value: object) -> Any:
    if not isinstance(value, Mapping):
        return _shape_of_operand(field, value)
    shapes: list[Any] = []
    for name, one in cast("Filters", value).items():
        if name in ("$and", "$or"):
            shapes.append((name, *(_shape_of(field, part) for part in listed(name, one))))
        else:
            shapes.append((name, _shape_of(field, one) if name == "$not" else _shape_of_operand(field, one)))
    return tuple(shapes)


def _shape_of_operand(field: Field, value: object) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        members = cast("Sequence[object]", value)
        # Of JSON and arrays each value is compared by itself, of anything else all at once.
        if field.is_json or isinstance(field.column.type, ARRAY):
            return tuple(one is None for one in members)
        return "values", any(one is None for one in members)
    return value if value is None or isinstance(value, bool) else "value"
