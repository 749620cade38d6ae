"""An entity as statements see it: its table, its Struct, and how its rows relate within the module."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

import msgspec
from sqlalchemy import Table

from .db import TableBase
from .errors import ConfigurationError

S = TypeVar("S", bound=msgspec.Struct)


class Relation(msgspec.Struct, frozen=True):
    """How rows of one entity find rows of another in the same module."""

    entity: str
    by: str
    """The foreign key column: on the other entity for `has_many`, on this one for `belongs_to`."""
    many: bool


def has_many(entity: str, *, by: str) -> Relation:
    """Relate to the rows of `entity` whose column `by` holds my id."""
    return Relation(entity, by, many=True)


def belongs_to(entity: str, *, by: str) -> Relation:
    """Relate to the one row of `entity` whose id is in my column `by`."""
    return Relation(entity, by, many=False)


class EntityTable(Generic[S]):
    """A table and the Struct of its rows; only columns that are fields of the Struct are ever visible."""

    def __init__(
        self,
        name: str,
        *,
        table: type[TableBase],
        struct: type[S],
        id_prefix: str,
        relations: Mapping[str, Relation] | None = None,
        searchable: Sequence[str] = (),
    ) -> None:
        if not isinstance(getattr(table, "__table__", None), Table):
            raise ConfigurationError(f"{table.__qualname__} is not mapped to a table")
        self.name = name
        self.table: Table[Any] = cast("Table[Any]", table.__table__)
        self.struct = struct
        self.id_prefix = id_prefix
        self.relations = dict(relations or {})
        self.searchable = tuple(searchable)
        self.siblings: Mapping[str, EntityTable[Any]] = {}
        """The entities of the same module by name, once the module is made."""
