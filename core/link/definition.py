"""Links: which records of two modules belong together, as a table of pairs between them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    Column,
    Enum,
    ForeignKey,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypeDecorator,
)

from ..db import UtcDateTime, module_metadata
from ..errors import ConfigurationError
from ..module import Check, Entity, Many
from ..repository.fields import Field

AnyEntity = Entity[Any, Any, Any]
Side = AnyEntity | Many

LONGEST_NAME = 63 - len("IDX__")
"""PostgreSQL cuts longer names; an index is named for its table and its column."""


class LinkSide(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One side of a link as the other one sees it."""

    entity: AnyEntity
    column: str
    """The column of the link table that holds this side's ids."""
    name: str
    """What this side is called from the other one, e.g. `customer` of a booking, `bookings` of a customer."""
    many: bool
    """Whether the other side has many of these."""
    delete_cascade: bool
    """Whether `Links.delete` takes records of this side along with those of the other one."""


class Link:
    """What `define_link` makes. `left` and `right` are its sides, `table` holds the pairs, live and dismissed."""

    def __init__(
        self, left: LinkSide, right: LinkSide, *, table: Table[Any], extra: Sequence[str], checks: Mapping[str, Check]
    ) -> None:
        self.left = left
        self.right = right
        self.table = table
        self.name = str(table.name).removeprefix("link_")
        self.extra = {name: Field(name, table.c[name], _python_type(table.c[name])) for name in extra}
        """The extra columns by name."""
        self.fields = self.extra | {name: Field(name, table.c[name], kind) for name, kind in self._fixed()}
        """All columns by name, as filters take them."""
        self.checks = dict(checks)

    def _fixed(self) -> list[tuple[str, type[Any]]]:
        times = [(name, datetime) for name in ("created_at", "updated_at", "deleted_at")]
        return [(self.left.column, str), (self.right.column, str), *times]

    @property
    def sides(self) -> tuple[LinkSide, LinkSide]:
        """Left and right."""
        return self.left, self.right


def define_link(
    left: Side,
    right: Side,
    *,
    table: str | None = None,
    left_name: str | None = None,
    right_name: str | None = None,
    extra_columns: Sequence[Column[Any]] = (),
    delete_cascade: Sequence[AnyEntity] = (),
    checks: Mapping[str, Check] | None = None,
) -> Link:
    """Relate two entities: `booking_customer = define_link(BOOKING.many(), CUSTOMER)`, many bookings per customer.

    `delete_cascade=[ORDER]` lets `Links.delete(BOOKING, ...)` take their orders along. `left_name` and `right_name` are
    what the sides are called in a graph, by default the entity's name, with an s where there are many. `checks` are
    run by `doctor --integrity`. An extra column is nullable or has a `server_default`.
    """
    one, other = _entity(left), _entity(right)
    if one is other:
        raise ConfigurationError(f"{one.name} cannot be linked to itself: that is a relation of its own module")
    if strangers := [entity.name for entity in delete_cascade if entity not in (one, other)]:
        raise ConfigurationError(f"delete_cascade of {one.name} and {other.name} names {', '.join(strangers)}")
    sides = _side(left, left_name, delete_cascade), _side(right, right_name, delete_cascade)
    name = table or f"link_{one.name}_{other.name}"
    made = _table(name, *sides, extra_columns)
    return Link(*sides, table=made, extra=[column.name for column in extra_columns], checks=checks or {})


def _entity(side: Side) -> AnyEntity:
    return side.entity if isinstance(side, Many) else side


def _side(side: Side, name: str | None, delete_cascade: Sequence[AnyEntity]) -> LinkSide:
    entity, many = _entity(side), isinstance(side, Many)
    return LinkSide(
        entity=entity,
        column=f"{entity.name}_id",
        name=name or (f"{entity.name}s" if many else entity.name),
        many=many,
        delete_cascade=entity in delete_cascade,
    )


def _table(name: str, left: LinkSide, right: LinkSide, extra: Sequence[Column[Any]]) -> Table[Any]:
    columns = [
        *(Column(side.column, Text, _references(side), nullable=False) for side in (left, right)),
        *extra,
        Column("created_at", UtcDateTime, nullable=False),
        Column("updated_at", UtcDateTime, nullable=False),
        Column("deleted_at", UtcDateTime),
    ]
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        raise ConfigurationError(f"{name} has a column twice: {', '.join(names)}")
    if longest := [column for column in names[:2] if len(name) + len(column) > LONGEST_NAME]:
        raise ConfigurationError(f"{name} and {longest[0]} are too long a name for an index: choose a shorter `table=`")
    for column in extra:
        _check_extra(name, column)
    table = Table(name, module_metadata(), *columns, PrimaryKeyConstraint(left.column, right.column))
    # The primary key finds by the left id; a hard delete of a right record has to find dismissed pairs too.
    Index(f"IDX_{name}_{right.column}", table.c[right.column])
    for side, other in ((left, right), (right, left)):
        if not other.many:
            live = table.c.deleted_at.is_(None)
            Index(f"UQ_{name}_{side.column}", table.c[side.column], unique=True, postgresql_where=live)
    return table


def _references(side: LinkSide) -> ForeignKey:
    return ForeignKey(side.entity.table.c.id, ondelete="CASCADE")


def _check_extra(table: str, column: Column[Any]) -> None:
    if column.primary_key or column.unique or column.index or column.foreign_keys:
        raise ConfigurationError(f"{table}.{column.name}: an extra column has no key and no index of its own")
    if not column.nullable and column.server_default is None:
        raise ConfigurationError(f"{table}.{column.name}: make it nullable or give it a server_default")
    if isinstance(column.type, LargeBinary | Enum):
        raise ConfigurationError(f"{table}.{column.name}: a link holds no binary data, and an enum as text")


def _python_type(column: Column[Any]) -> Any:
    kind = column.type
    if isinstance(kind, JSON):
        return Any
    return kind.impl_instance.python_type if isinstance(kind, TypeDecorator) else kind.python_type
