"""Requests: what a query is asked."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypedDict, TypeVar

import msgspec

from ..errors import InvalidData
from ..repository.filters import Filters
from ..repository.selection import LARGEST, Order
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

    def numbers(self) -> dict[str, int]:
        """Return how many rows to take and skip as parameters; raise `InvalidData` for a number that cannot be."""
        given = {"skip": self.skip, "take": self.take}
        given |= {f"take_of_{place}": nested.take for place, nested in enumerate(self.nested.values())}
        return {name: _checked(name, number) for name, number in given.items() if number is not None}

    def shape(self) -> Any:
        """Return what SQL depends on, the filters apart."""
        nested = tuple((path, _pairs(one.order), one.take is None) for path, one in self.nested.items())
        fields = None if self.fields is None else tuple(self.fields)
        windowed = self.take is None, self.skip == 0, self.count, self.with_deleted
        return self.select, fields, nested, _pairs(self.order), windowed


def _pairs(order: Order | None) -> tuple[tuple[str, str], ...]:
    return tuple((order or {}).items())


def _checked(name: str, number: int) -> int:
    if not 0 <= number <= LARGEST:
        raise InvalidData(f"{name.partition('_')[0]} cannot be {number}", field=name.partition("_")[0])
    return number
