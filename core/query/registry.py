"""The registry: which columns a graph may show of each entity, and where it may go on from there."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import msgspec
from sqlalchemy import Table

from ..entity import EntityTable, Relation
from ..errors import ConfigurationError
from ..repository.fields import Field, fields_of


class Side(Protocol):
    """One side of a link."""

    @property
    def entity(self) -> EntityTable[Any]:
        """Whose rows."""
        ...

    @property
    def column(self) -> str:
        """Where the link's table has their ids."""
        ...

    @property
    def name(self) -> str:
        """What the other side calls them."""
        ...

    @property
    def many(self) -> bool:
        """Whether the other side has many of them."""
        ...


class TwoSided(Protocol):
    """A link between two entities."""

    @property
    def table(self) -> Table[Any]:
        """The pairs."""
        ...

    @property
    def left(self) -> Side:
        """One side."""
        ...

    @property
    def right(self) -> Side:
        """The other one."""
        ...


class Via(msgspec.Struct, frozen=True, eq=False):
    """A link's table, and its columns with my id and with theirs."""

    table: Table[Any]
    mine: str
    theirs: str


class Hop(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """A way from the rows of one entity to those of another: `mine` equals `theirs`, or a link joins them."""

    name: str
    target: str
    many: bool
    mine: str = "id"
    theirs: str = "id"
    via: Via | None = None


class Node(msgspec.Struct, frozen=True, eq=False):
    """An entity in the graph."""

    entity: EntityTable[Any]
    fields: Mapping[str, Field]
    hops: Mapping[str, Hop]

    @property
    def name(self) -> str:
        """The entity's name."""
        return self.entity.name


class Registry:
    """All that queries can name; identifiers in SQL come from nowhere else."""

    def __init__(self, entities: Iterable[EntityTable[Any]], links: Iterable[TwoSided] = ()) -> None:
        known = {entity.name: entity for entity in entities}
        hops: dict[str, dict[str, Hop]] = {name: {} for name in known}
        for entity in known.values():
            for name, relation in entity.relations.items():
                _add(hops, entity, _within(name, relation))
        for link in links:
            for entity, hop in _across(link):
                _add(hops, entity, hop)
        self._nodes = {
            name: Node(entity, fields_of(entity.struct, entity.table), hops[name]) for name, entity in known.items()
        }

    def __getitem__(self, name: str) -> Node:
        """Return an entity by name; raises `ConfigurationError` if no module has it."""
        try:
            return self._nodes[name]
        except KeyError:
            raise ConfigurationError(f"no module of this application has an entity {name!r}") from None


def _within(name: str, relation: Relation) -> Hop:
    if relation.many:
        return Hop(name=name, target=relation.entity, many=True, theirs=relation.by)
    return Hop(name=name, target=relation.entity, many=False, mine=relation.by)


def _across(link: TwoSided) -> Iterator[tuple[EntityTable[Any], Hop]]:
    for near, far in ((link.left, link.right), (link.right, link.left)):
        via = Via(link.table, near.column, far.column)
        yield near.entity, Hop(name=far.name, target=far.entity.name, many=far.many, via=via)


def _add(hops: dict[str, dict[str, Hop]], entity: EntityTable[Any], hop: Hop) -> None:
    for name in (entity.name, hop.target):
        if name not in hops:
            raise ConfigurationError(f"{entity.name}.{hop.name}: no module has an entity {name!r}")
    if not hop.name.isidentifier():
        raise ConfigurationError(f"{entity.name}.{hop.name} is no name that a path can hold")
    if hop.name in hops[entity.name] or hop.name in fields_of(entity.struct, entity.table):
        raise ConfigurationError(f"{entity.name}.{hop.name} means two things: give the link another name there")
    hops[entity.name][hop.name] = hop
