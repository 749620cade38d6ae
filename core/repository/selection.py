"""Selections: which rows, of which columns, in which order."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

import msgspec
from sqlalchemy import Column, ColumnElement, Row, Select, and_, collate, false, func, or_, select, true

from ..entity import EntityTable
from ..errors import InvalidData
from .fields import Field, fields_of, known
from .filters import Filters, where

Order = Mapping[str, Literal["asc", "desc"]]
Columns = Mapping[str, Column[Any]]
LARGEST = 2**63 - 1


class Options(TypedDict, total=False):
    """How to list: `order={"start_at": "asc"}`, `take=20`, `skip=40`, `q` searches the searchable fields."""

    relations: Sequence[str]
    order: Order | None
    take: int | None
    skip: int
    with_deleted: bool
    q: str | None


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a listing, with what is left out filled in."""

    relations: Sequence[str] = ()
    order: Order | None = None
    take: int | None = None
    skip: int = 0
    with_deleted: bool = False
    q: str | None = None

    def where(self, entity: EntityTable[Any], filters: Filters | None) -> ColumnElement[bool]:
        """Return the clause of the filters, the search and soft deletion."""
        alive = true() if self.with_deleted else entity.table.c.deleted_at.is_(None)
        return and_(alive, where(entity, filters or {}), _search(entity, self.q))

    def count(self, entity: EntityTable[Any], filters: Filters | None) -> Select[int]:
        """Return the statement that counts all rows, whatever `take` and `skip` are."""
        return select(func.count()).select_from(entity.table).where(self.where(entity, filters))

    def rows(self, entity: EntityTable[Any], filters: Filters | None, columns: Columns) -> Select[Any]:
        """Return the statement that reads the rows."""
        statement = (
            select(*columns.values()).where(self.where(entity, filters)).order_by(*_order(entity, self.order or {}))
        )
        if self.take is not None:
            statement = statement.limit(checked_number("take", self.take))
        return statement.offset(checked_number("skip", self.skip)) if self.skip else statement


def checked_number(name: str, number: object) -> int:
    """Return how many rows to take or skip; raise `InvalidData` for what PostgreSQL could not."""
    if type(number) is not int or not 0 <= number <= LARGEST:
        raise InvalidData(f"{name} cannot be {number!r}", field=name)
    return number


def columns_of(entity: EntityTable[Any], names: Sequence[str] | None = None, *also: str) -> Columns:
    """Return the columns of all fields or of those named, with the keys that relations need."""
    visible = fields_of(entity.struct, entity.table)
    keys = [relation.by for relation in entity.relations.values() if not relation.many]
    return {name: entity.table.c[name] for name in ("id", *keys, *also, *(visible if names is None else names))}


def as_dicts(columns: Columns, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Return rows by column name."""
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _order(entity: EntityTable[Any], order: Order) -> list[ColumnElement[Any]]:
    fields = fields_of(entity.struct, entity.table)
    terms = [_term(known(fields, name, entity.name), direction) for name, direction in order.items()]
    return terms if "id" in order else [*terms, entity.table.c.id]


def _term(field: Field, direction: str) -> ColumnElement[Any]:
    if direction not in ("asc", "desc"):
        raise InvalidData(f"{field.name}: sorted asc or desc, not {direction!r}", field=field.name)
    # Ids are all of one shape, which sorts alike everywhere: theirs is the plain index.
    collated = field.is_text and not field.column.primary_key
    column = collate(field.column, "C") if collated else field.column
    term = column.asc() if direction == "asc" else column.desc()
    return term.nulls_last() if field.column.nullable else term


def _search(entity: EntityTable[Any], q: str | None) -> ColumnElement[bool]:
    if not q:
        return true()
    if not entity.searchable:
        raise InvalidData(f"{entity.name} has no fields to search", field="q")
    columns = [entity.table.c[name] for name in entity.searchable]
    if "\0" in q or any("\ud800" <= character <= "\udfff" for character in q):
        raise InvalidData("q: that is no text", field="q")
    return or_(false(), *(column.icontains(q, autoescape=True, escape="\\") for column in columns))
