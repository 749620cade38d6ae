"""The statement: one SELECT whose only row holds the whole graph as JSON, and the count."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    Text,
    and_,
    bindparam,
    cast,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql.selectable import LateralFromClause

from ..repository.filters import Clause
from .filters import All, Complement, Condition, Either, Part, Through, binds_in
from .order import Term
from .registry import Registry
from .render import as_json
from .selection import Branch, Selection
from .source import ONE, ZERO, Source

SKIP = "skip"
NOTHING: ColumnElement[Any] = literal_column("'[]'::json")


class Window(msgspec.Struct, frozen=True, eq=False):
    """Which of the rows in question, in which order."""

    terms: Sequence[Term]
    take: int | None = None
    skip: bool = False
    """By as many as the parameter `SKIP` says."""


class Builder:
    """Builds one statement; `bound` are the values of the filters, from left to right."""

    def __init__(self, registry: Registry, windows: Mapping[str, Window], *, with_deleted: bool, exact: bool) -> None:
        self._registry = registry
        self._windows = windows
        self._with_deleted = with_deleted
        self._exact = exact
        self._one_by_one = False
        self.bound: list[BindParameter[Any]] = []

    def statement(self, selection: Selection, filters: Part, window: Window, *, count: bool) -> Select[Any]:
        """Return the whole statement; it yields one row."""
        root = Source(
            self._registry, selection.node, selection.node.entity.table.alias(), with_deleted=self._with_deleted
        )
        matching = and_(root.alive, self._clause(root, filters))
        counted = select(func.count()).select_from(root.joined).where(matching)
        page, order = _page(root, matching, selection, window)
        self._one_by_one = window.take is not None
        joined, value = self._object(selection, root.at(root.node, page))
        statement = select(cast(_list(value, order), Text).label("data")).select_from(joined)
        return statement.add_columns(counted.scalar_subquery().label("count")) if count else statement

    def _object(self, selection: Selection, source: Source) -> tuple[FromClause, ColumnElement[Any]]:
        """Return the rows with what is shown of related ones joined, and each as a JSON object."""
        shown = [
            as_json(one.field, source.column(one.field.column.name), exact=self._exact).label(one.key)
            for one in selection.members
        ]
        joined, related = source.joined, [self._related(branch, source) for branch in selection.branches]
        for branch, lateral in zip(selection.branches, related, strict=True):
            joined = joined.outerjoin(lateral, true())
            shown.append(lateral.c.value.label(branch.key))
        row = select(*shown).correlate(source.table, *related).lateral()
        return joined.join(row, true()), func.row_to_json(row.table_valued())

    def _related(self, branch: Branch, parent: Source) -> LateralFromClause:
        """Return the related rows as JSON, for one row."""
        reach = parent.reach(branch.hop)
        if branch.hop.many:
            return self._many(branch, reach.source, reach.on, parent)
        joined, value = self._object(branch.selection, reach.source)
        one = select(value.label("value")).select_from(joined).where(reach.on)
        if reach.newest is not None:
            one = one.order_by(*reach.newest).limit(ONE)
        elif self._one_by_one:
            # Keeps PostgreSQL from joining, and writing as JSON, the whole of a table for the few rows of a page.
            one = one.offset(ZERO)
        return one.correlate(parent.table).lateral()

    def _many(self, branch: Branch, source: Source, on: Clause, parent: Source) -> LateralFromClause:
        window = self._windows[branch.path]
        if window.take is None:
            order = [term.sorted(source.term(term)) for term in window.terms]
            joined, value = self._object(branch.selection, source)
            rows = select(_list(value, order).label("value")).select_from(joined).where(on)
        else:
            page, order = _page(source, on, branch.selection, window, parent.table)
            joined, value = self._object(branch.selection, source.at(source.node, page))
            rows = select(_list(value, order).label("value")).select_from(joined)
        return rows.correlate(parent.table).lateral()

    def _clause(self, source: Source, part: Part) -> Clause:
        match part:
            case Condition():
                clause = part.clause(source.column(part.field.column.name))
                self.bound += binds_in(clause)
                return clause
            case All():
                return and_(true(), *(self._clause(source, one) for one in part.parts))
            case Either():
                return or_(false(), *(self._clause(source, one) for one in part.parts))
            case Complement():
                return self._clause(source, part.part).is_not(true())
            case Through():
                if part.hop.many:
                    return self._exists(source, part)
                return self._clause(source.one(part.hop), part.part)

    def _exists(self, source: Source, part: Through) -> Clause:
        reach = source.reach(part.hop)
        matching = and_(reach.on, self._clause(reach.source, part.part))
        return select(ONE).select_from(reach.source.joined).where(matching).correlate(source.table).exists()


def _page(
    source: Source, matching: Clause, selection: Selection, window: Window, *around: FromClause
) -> tuple[Subquery, list[ColumnElement[Any]]]:
    """Return the rows of a window, with the columns that are wanted of them, and how to sort them again."""
    wanted = [*(one.field.column.name for one in selection.members), *(one.hop.mine for one in selection.branches)]
    terms = list(enumerate(window.terms))
    # No field has a dot in its name.
    keys = [source.term(term).label(f"order.{place}") for place, term in terms]
    rows = select(*map(source.column, dict.fromkeys(wanted)), *keys).select_from(source.joined).where(matching)
    if window.take is not None or window.skip:
        rows = rows.order_by(*(term.sorted(source.term(term)) for term in window.terms))
    if window.take is not None:
        # Not a parameter: of a LIMIT that it does not know PostgreSQL fears a tenth of the table, and plans anew at
        # each execution, which takes longer than the statement itself.
        rows = rows.limit(literal_column(str(window.take)))
    if window.skip:
        rows = rows.offset(bindparam(SKIP, type_=BigInteger()))
    page = rows.correlate(*around).subquery()
    return page, [term.sorted(page.c[f"order.{place}"]) for place, term in terms]


def _list(value: ColumnElement[Any], order: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    return func.coalesce(func.json_agg(aggregate_order_by(value, *order)), NOTHING)
