"""Requests: what a query is asked."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypedDict, TypeVar, cast

import msgspec

from ..errors import InvalidData
from ..repository.filters import Filters
from ..repository.selection import Order, checked_number
from .limits import MOST_PATHS, MOST_TERMS, check_number, is_object
from .selection import Shape

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Rows of a graph; `count` is how many there are whatever `take` and `skip` are, if it was asked for."""

    data: list[T]
    count: int | None = None


class Nested(msgspec.Struct, frozen=True, kw_only=True):
    """How to list related rows: in which order, and at most how many for each parent."""

    order: Order | None = None
    take: int | None = None


class Choice(TypedDict, total=False):
    """Which rows, and what of them: see `Query`."""

    fields: Sequence[str] | None
    filters: Filters | None
    nested: Mapping[str, Nested]
    with_deleted: bool


class Options(Choice, total=False):
    """The same, and which page of the rows."""

    order: Order | None
    take: int | None
    skip: int
    count: bool


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a query, with what is left out filled in."""

    select: Shape | None = None
    fields: Sequence[str] | None = None
    filters: Filters | None = None
    nested: Mapping[str, Nested] = {}
    with_deleted: bool = False
    order: Order | None = None
    take: int | None = None
    skip: int = 0
    count: bool = False
    exact: bool = False
    """Whether JSON has to be to the character what msgspec would write."""

    def shape(self) -> Any:
        """Return what SQL depends on, the filters apart; raise `InvalidData` for what has another form."""
        nested = tuple((path, _pairs(one.order), _take(one.take)) for path, one in self.nested.items())
        page = _take(self.take), checked_number("skip", self.skip) == 0, self.count, self.with_deleted, self.exact
        return self.select, _paths(self.fields), nested, _pairs(self.order), page


def _paths(fields: object) -> tuple[str, ...] | None:
    if fields is None:
        return None
    if not isinstance(fields, list | tuple):
        raise InvalidData("fields takes a list of paths", field="fields")
    paths = cast("Sequence[object]", fields)
    check_number("fields", len(paths), MOST_PATHS)
    if not all(isinstance(path, str) for path in paths):
        raise InvalidData("fields takes a list of paths", field="fields")
    return tuple(cast("Sequence[str]", paths))


def _pairs(order: object) -> tuple[tuple[str, str], ...]:
    if order is None:
        return ()
    if not is_object(order):
        raise InvalidData("order takes an object of paths", field="order")
    given = cast("Mapping[str, object]", order)
    check_number("fields to sort by", len(given), MOST_TERMS)
    for path, direction in given.items():
        if direction not in ("asc", "desc"):
            raise InvalidData(f"{path[:100]}: sorted asc or desc, not {direction!r}", field=path[:200])
    return tuple(cast("Order", given).items())


def _take(number: object) -> int | None:
    return None if number is None else checked_number("take", number)
