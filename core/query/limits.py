"""Limits: how much one query may ask for, since paths and filters may come from outside."""

from collections.abc import Mapping
from typing import cast

from ..errors import InvalidData
from .registry import Node

DEEPEST = 8
"""Hops in one path."""
MOST_RELATIONS = 40
"""Related lists and objects in one graph: each is a join."""
MOST_PATHS = 400
MOST_CONDITIONS = 200
MOST_PARTS = 1000
"""Of filters: hops, objects and conditions together."""
MOST_VALUES = 1000
"""In filters, where a list of plain values is one."""
MOST_TERMS = 20
"""In one order."""


def shown(path: str) -> str:
    """Return the path as messages show it."""
    return repr(path if len(path) <= 100 else f"{path[:100]}...")


def unknown(entity: str, name: str, path: str) -> InvalidData:
    """Return the error for a path that leads nowhere."""
    return InvalidData(f"{entity} has no field or relation {shown(name)}{_within(name, path)}", field=path[:200])


def no_field(node: Node, name: str, path: str) -> InvalidData:
    """Return the error for a path that does not lead to a field."""
    if name not in node.hops:
        return unknown(node.name, name, path)
    advice = f"name a field of it, such as {shown(f'{name}.id')}"
    return InvalidData(f"{shown(name)} is a relation of {node.name}: {advice}{_within(name, path)}", field=path[:200])


def is_object(given: object) -> bool:
    """Tell whether it is what an object in JSON can be."""
    return isinstance(given, Mapping) and all(isinstance(name, str) for name in cast("Mapping[object, object]", given))


def check_depth(path: str) -> None:
    """Raise `InvalidData` for a path with too many hops."""
    if path.count(".") > DEEPEST:
        raise InvalidData(f"{shown(path)} has more than {DEEPEST} hops", field=path[:200])


def check_number(what: str, number: int, most: int) -> None:
    """Raise `InvalidData` where there are too many."""
    if number > most:
        raise InvalidData(f"at most {most} {what} in one query, not {number}")


def _within(name: str, path: str) -> str:
    return "" if name == path else f" (in {shown(path)})"
