"""Limits: how much one query may ask for, since paths and filters may come from outside."""

from ..errors import InvalidData

DEEPEST = 8
"""Hops in one path."""
MOST_RELATIONS = 40
"""Related lists and objects in one graph: each is a join."""
MOST_PATHS = 400
MOST_CONDITIONS = 200


def shown(path: str) -> str:
    """Return the path as messages show it."""
    return repr(path if len(path) <= 100 else f"{path[:100]}...")


def unknown(entity: str, name: str, path: str) -> InvalidData:
    """Return the error for a path that leads nowhere."""
    at = "" if name == path else f" (in {shown(path)})"
    return InvalidData(f"{entity} has no field or relation {shown(name)}{at}", field=path[:200])


def check_depth(path: str) -> None:
    """Raise `InvalidData` for a path with too many hops."""
    if path.count(".") > DEEPEST:
        raise InvalidData(f"{shown(path)} has more than {DEEPEST} hops", field=path[:200])


def check_number(what: str, number: int, most: int) -> None:
    """Raise `InvalidData` where there are too many."""
    if number > most:
        raise InvalidData(f"at most {most} {what} in one query, not {number}")
