"""Queries: graphs across modules, each in one statement."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, Unpack, overload

import msgspec
import psycopg

from ..db import Session
from ..entity import EntityTable
from ..errors import ConfigurationError, InvalidData, NotFound
from .plan import Plan, Plans
from .registry import Node, Registry, TwoSided
from .request import Choice, Options, Page, Request

V = TypeVar("V", bound=msgspec.Struct)
Answer = tuple[Plan, str, int | None]


class Graphs:
    """The graph of an application: its entities, and the plans made so far; one for all scopes."""

    def __init__(self, entities: Iterable[EntityTable[Any]], links: Iterable[TwoSided] = ()) -> None:
        self.registry = Registry(entities, links)
        self.plans = Plans(self.registry)

    def node(self, entity: EntityTable[Any]) -> Node:
        """Return the entity in the graph; raise `ConfigurationError` for one of another application."""
        node = self.registry[entity.name]
        if node.entity is not entity:
            raise ConfigurationError(f"the entity {entity.name!r} of this application is another one")
        return node


class Query:
    """Reads graphs: `await scope.query.graph(BOOKING, fields=["*", "order.items.title"])`.

    `fields` are paths over relations and links, `*` all fields of an entity. With `select` a Struct is the
    selection, and `fields`, if given, says what of it is wanted. `filters` and `order` take paths too. Soft-deleted
    rows and links are hidden unless `with_deleted`. Everything happens in one statement, in the open transaction if
    there is one. Raises `InvalidData`, naming the path, for what there is not.
    """

    def __init__(self, session: Session, graphs: Graphs) -> None:
        self._session = session
        self._graphs = graphs

    @overload
    async def graph(self, entity: EntityTable[Any], **options: Unpack[Options]) -> Page[dict[str, Any]]: ...

    @overload
    async def graph(self, entity: EntityTable[Any], *, select: type[V], **options: Unpack[Options]) -> Page[V]: ...

    async def graph(
        self, entity: EntityTable[Any], *, select: type[Any] | None = None, **options: Unpack[Options]
    ) -> Page[Any]:
        """Return the rows that the filters match, sorted by `order` and then by id, and with `count` their number."""
        plan, data, count = await self._read(entity, Request(select=select, **options))
        return Page(_decoded(plan, data), count)

    async def graph_json(
        self, entity: EntityTable[Any], *, select: type[msgspec.Struct] | None = None, **options: Unpack[Options]
    ) -> bytes:
        """Return what `graph` returns as JSON, as PostgreSQL built it."""
        _plan, data, count = await self._read(entity, Request(select=select, exact=True, **options))
        return f'{{"data":{data},"count":{"null" if count is None else count}}}'.encode()

    @overload
    async def one(self, entity: EntityTable[Any], **choice: Unpack[Choice]) -> dict[str, Any]: ...

    @overload
    async def one(self, entity: EntityTable[Any], *, select: type[V], **choice: Unpack[Choice]) -> V: ...

    async def one(self, entity: EntityTable[Any], *, select: type[Any] | None = None, **choice: Unpack[Choice]) -> Any:
        """Return the only row that the filters match; raise `NotFound` if there is none, or more than one."""
        plan, data, _count = await self._read(entity, Request(select=select, take=2, **choice))
        found = _decoded(plan, data)
        if len(found) != 1:
            number = "several" if found else "no"
            raise NotFound(f"{number} {entity.name} with {choice.get('filters')!r}", entity=entity.name)
        return found[0]

    async def explain(
        self, entity: EntityTable[Any], *, select: type[msgspec.Struct] | None = None, **options: Unpack[Options]
    ) -> tuple[str, Mapping[str, Any], str]:
        """Return the SQL, its parameters, and how PostgreSQL runs it."""
        plan, parameters = self._graphs.plans.prepare(self._graphs.node(entity), Request(select=select, **options))
        lines = await self._session.sql("EXPLAIN (ANALYZE, BUFFERS) " + plan.sql, parameters)
        return plan.sql, parameters, "\n".join(line for (line,) in lines)

    async def _read(self, entity: EntityTable[Any], request: Request) -> Answer:
        plan, parameters = self._graphs.plans.prepare(self._graphs.node(entity), request)
        try:
            [(data, *count)] = await self._session.sql(plan.sql, parameters)
        except psycopg.DataError as error:
            raise InvalidData(f"{entity.name}: {error.diag.message_primary}") from error
        return plan, data, count[0] if count else None


def _decoded(plan: Plan, data: str) -> list[Any]:
    try:
        return plan.decoder.decode(data)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"the rows do not fit the Struct: {error}") from error
