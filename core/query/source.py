"""Sources: the rows of one entity in a FROM clause, with what filters and orders join to them."""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, FromClause, and_, literal_column, select, true

from .order import Term
from .registry import Hop, Node, Registry

ZERO: ColumnElement[int] = literal_column("0")
ONE: ColumnElement[int] = literal_column("1")


class Source:
    """Rows of an entity, and the rows one to one with them."""

    def __init__(self, registry: Registry, node: Node, table: FromClause, *, with_deleted: bool) -> None:
        self.node = node
        self.table = table
        self.joined = table
        """These rows with all that is joined to them."""
        self.with_deleted = with_deleted
        self._registry = registry
        self._root = self
        self._ones: dict[str, Source] = {}

    @property
    def alive(self) -> ColumnElement[bool]:
        """What keeps soft-deleted rows out."""
        return self._alive(self.table)

    def column(self, name: str) -> ColumnElement[Any]:
        """Return a column."""
        return self.table.c[name]

    def term(self, term: Term) -> ColumnElement[Any]:
        """Return the column to sort by, joined where it is another entity's."""
        source = self
        for hop in term.hops:
            source = source.one(hop)
        return source.column(term.field.column.name)

    def one(self, hop: Hop) -> "Source":
        """Return the rows that a hop to one leads to, joined once."""
        if hop.name not in self._ones:
            reach = self.reach(hop)
            one = reach.source
            if reach.newest is None:
                self._join(one.joined, reach.on)
            else:
                rows = select(*one.table.c).select_from(one.joined).where(reach.on).order_by(*reach.newest)
                one = self.at(one.node, rows.limit(ONE).correlate(self.table).lateral())
                self._join(one.table, true())
            one._root = self._root
            self._ones[hop.name] = one
        return self._ones[hop.name]

    def reach(self, hop: Hop) -> "Reach":
        """Return the rows that a hop leads to, under a new alias."""
        node = self._registry[hop.target]
        target = self.at(node, node.entity.table.alias())
        if hop.via is None:
            on = target.column(hop.theirs) == self.column(hop.mine)
            return Reach(target, and_(on, target.alive), None)
        via = hop.via.table.alias()
        theirs = target.column(hop.theirs) == via.c[hop.via.theirs]
        target.joined = via.join(target.table, and_(theirs, target.alive))
        mine = via.c[hop.via.mine] == self.column(hop.mine)
        # Dismissed links may lead to several; the one that is not dismissed counts, else the last one dismissed.
        several = self.with_deleted and not hop.many
        newest = (via.c.deleted_at.desc().nulls_first(), target.column("id")) if several else None
        return Reach(target, and_(mine, self._alive(via)), newest)

    def at(self, node: Node, table: FromClause) -> "Source":
        """Return a source of other rows."""
        return Source(self._registry, node, table, with_deleted=self.with_deleted)

    def _join(self, table: FromClause, on: ColumnElement[bool]) -> None:
        self._root.joined = self._root.joined.outerjoin(table, on)

    def _alive(self, table: FromClause) -> ColumnElement[bool]:
        return true() if self.with_deleted else table.c.deleted_at.is_(None)


class Reach(msgspec.Struct, frozen=True, eq=False):
    """Related rows: what ties them to mine, and which comes first where there may be several but one is wanted."""

    source: Source
    on: ColumnElement[bool]
    newest: tuple[ColumnElement[Any], ...] | None
