"""Order: by fields of the rows and of rows related one to one; NULLs come last, `id` breaks ties."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, collate

from ..errors import InvalidData
from ..repository.fields import Field
from ..repository.selection import Order
from .limits import check_depth, no_field, unknown
from .registry import Hop, Node, Registry


class Term(msgspec.Struct, frozen=True, eq=False):
    """One thing to sort by."""

    hops: Sequence[Hop]
    field: Field
    descending: bool

    def sorted(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return how to sort by that column."""
        # Ids are all of one shape, which sorts alike everywhere: theirs is the plain index.
        if self.field.is_text and not self.field.column.primary_key:
            column = collate(column, "C")
        term = column.desc() if self.descending else column.asc()
        return term.nulls_last() if self.hops or self.field.column.nullable else term


def read(registry: Registry, node: Node, order: Order | None) -> list[Term]:
    """Return the terms, the last of them the id; raise `InvalidData`, naming the path, for one that does not fit."""
    terms = [_term(registry, node, path, direction) for path, direction in (order or {}).items()]
    return terms if "id" in (order or {}) else [*terms, Term((), node.fields["id"], descending=False)]


def _term(registry: Registry, node: Node, path: str, direction: str) -> Term:
    check_depth(path)
    *names, last = path.split(".")
    hops: list[Hop] = []
    for name in names:
        hop = node.hops.get(name)
        if hop is None:
            raise unknown(node.name, name, path)
        if hop.many:
            raise InvalidData(f"{path[:100]}: there is no sorting by {name!r}, which are many", field=path[:200])
        hops.append(hop)
        node = registry[hop.target]
    if last not in node.fields:
        raise no_field(node, last, path)
    return Term(hops, node.fields[last], direction == "desc")
