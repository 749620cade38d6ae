"""Generated reads of an entity."""

import builtins
from collections.abc import Sequence
from copy import copy
from typing import Any, Generic, Protocol, Self, TypeVar, Unpack, overload

import msgspec
from sqlalchemy import Row, Select

from ..clock import Clock
from ..db import Session
from ..entity import EntityTable, S
from ..errors import ConfigurationError, InvalidData, NotFound
from .fields import fields_of
from .filters import Filters
from .relations import Relations
from .selection import Options, Selection, as_dicts, columns_of
from .violations import as_invalid_data

V = TypeVar("V", bound=msgspec.Struct)


class Host(Protocol):
    """What a repository is an attribute of: a `Service`."""

    session: Session
    clock: Clock


class Reader(Generic[S]):
    """Reads rows of one entity as its Struct; works as an attribute of a `Service`.

    Soft-deleted rows are hidden unless `with_deleted`. Without `order` they come by id, that is by age.
    """

    def __init__(self, entity: EntityTable[S]) -> None:
        self.entity = entity
        self.fields = fields_of(entity.struct, entity.table)
        self._bound: tuple[Session, Clock] | None = None
        for name in entity.searchable:
            if name not in self.fields or not self.fields[name].is_text:
                raise ConfigurationError(f"{entity.name}.{name} is not text that can be searched")

    def __get__(self, host: Host | None, owner: type[object]) -> Self:
        """Return this repository on the session of the service."""
        return self if host is None else self.bind(host.session, host.clock)

    def bind(self, session: Session, clock: Clock) -> Self:
        """Return this repository on a session."""
        bound = copy(self)
        bound._bound = (session, clock)
        return bound

    @property
    def session(self) -> Session:
        """The session that this repository is bound to."""
        return self._binding[0]

    @property
    def clock(self) -> Clock:
        """The clock that this repository is bound to."""
        return self._binding[1]

    @property
    def _binding(self) -> tuple[Session, Clock]:
        if self._bound is None:
            raise ConfigurationError(f"the {self.entity.name} repository is used through a service of a scope")
        return self._bound

    async def retrieve(self, id: str, *, relations: Sequence[str] = (), with_deleted: bool = False) -> S:
        """Return the row of that id; raise `NotFound`, naming it, if there is none."""
        found = await self.list({"id": {"$eq": id}}, relations=relations, with_deleted=with_deleted)
        if not found:
            raise missing(self.entity, id)
        return found[0]

    @overload
    async def list_and_count(
        self, filters: Filters | None = None, **options: Unpack[Options]
    ) -> tuple[list[S], int]: ...

    @overload
    async def list_and_count(
        self, filters: Filters | None = None, *, select: type[V], **options: Unpack[Options]
    ) -> tuple[list[V], int]: ...

    async def list_and_count(
        self, filters: Filters | None = None, *, select: type[Any] | None = None, **options: Unpack[Options]
    ) -> tuple[list[Any], int]:
        """Return what `list` returns, and how many rows there are whatever `take` and `skip` are."""
        found = await self._list(filters, select or self.entity.struct, Selection(**options))
        [(count,)] = await self._read(Selection(**options).count(self.entity, filters))
        return found, count

    @overload
    async def list(self, filters: Filters | None = None, **options: Unpack[Options]) -> builtins.list[S]: ...

    @overload
    async def list(
        self, filters: Filters | None = None, *, select: type[V], **options: Unpack[Options]
    ) -> builtins.list[V]: ...

    async def list(
        self, filters: Filters | None = None, *, select: type[Any] | None = None, **options: Unpack[Options]
    ) -> builtins.list[Any]:
        """Return the rows that the filters match.

        With `select` they come as that Struct, and only the columns that it names are read.
        """
        return await self._list(filters, select or self.entity.struct, Selection(**options))

    async def _list(self, filters: Filters | None, struct: type[V], options: Selection) -> builtins.list[V]:
        relations = {name.partition(".")[0] for name in options.relations}
        names = [name for name in struct.__struct_fields__ if name not in relations | self.entity.relations.keys()]
        for name in names:
            if name not in self.fields:
                raise InvalidData(f"{self.entity.name} has no field {name!r}", field=name)
        columns = columns_of(self.entity, names)
        rows = as_dicts(columns, await self._read(options.rows(self.entity, filters, columns)))
        await Relations(self.session, with_deleted=options.with_deleted).load(self.entity, rows, options.relations)
        return [msgspec.convert(row, struct) for row in rows]

    async def _read(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        with as_invalid_data(self.entity.name, self.entity.table):
            return await self.session.read(statement)


def missing(entity: EntityTable[Any], *ids: str) -> NotFound:
    """Return the error that says which rows of `entity` there are not."""
    return NotFound(f"no {entity.name} {', '.join(ids)}", entity=entity.name, ids=list(ids))
