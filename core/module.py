"""Modules: a service, its entities, and what they bring to the command line, the doctor and the demo."""

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from sqlalchemy import MetaData

from .container import Scope
from .db import TableBase
from .entity import EntityTable, Relation
from .errors import ConfigurationError
from .repository import NoWrites, Reader, Repository

if TYPE_CHECKING:
    import click

S = TypeVar("S", bound=msgspec.Struct)
C = TypeVar("C", bound=msgspec.Struct)
U = TypeVar("U", bound=msgspec.Struct)

Check = Callable[[Scope], Awaitable[Sequence[str]]]
"""An integrity check: returns one sentence per violation, none when all is well."""
Act = Callable[[Scope], Awaitable[None]]
"""What a module does when the application starts or stops, or to fill an empty database."""


class Entity(EntityTable[S], Generic[S, C, U]):
    """Binds a table to its Structs: those of its rows, of a new row (`create`) and of changes (`update`).

    Without `create` and `update` only reads are generated; writes are the service's own.
    """

    def __init__(
        self,
        name: str,
        *,
        table: type[TableBase],
        struct: type[S],
        create: type[C] = NoWrites,
        update: type[U] = NoWrites,
        id_prefix: str,
        relations: Mapping[str, Relation] | None = None,
        searchable: Sequence[str] = (),
    ) -> None:
        super().__init__(
            name, table=table, struct=struct, id_prefix=id_prefix, relations=relations, searchable=searchable
        )
        self.create = create
        self.update = update

    def repository(self) -> Repository[S, C, U]:
        """Return generated reads and writes, to be an attribute of a `Service`."""
        return Repository(self, self.create, self.update)

    def reader(self) -> Reader[S]:
        """Return generated reads only, to be an attribute of a `Service`."""
        return Reader(self)

    def many(self) -> "Many":
        """Say in `define_link` that one record of the other side has many of these."""
        return Many(self)


class Many:
    """A side of a link of which the other side has many."""

    def __init__(self, entity: Entity[Any, Any, Any]) -> None:
        self.entity = entity


class Service:
    """Base of a module's service: holds the rules, never commits."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.session = scope.session
        self.clock = scope.clock


SV = TypeVar("SV", bound=Service)


class Module(Generic[SV]):
    """A module's public face: `booking = Module("booking", service=BookingService, entities=[...])`."""

    def __init__(
        self,
        name: str,
        *,
        service: type[SV],
        entities: Sequence[Entity[Any, Any, Any]],
        checks: Mapping[str, Check] | None = None,
        commands: Sequence["click.Command"] = (),
        demo: Act | None = None,
        on_start: Act | None = None,
        on_stop: Act | None = None,
    ) -> None:
        self.name = name
        self.service = service
        self.entities = {entity.name: entity for entity in entities}
        self.checks = dict(checks or {})
        self.commands = tuple(commands)
        self.demo = demo
        self.on_start = on_start
        self.on_stop = on_stop
        for entity in entities:
            entity.siblings = self.entities
            _check_relations(entity)

    @property
    def metadata(self) -> MetaData:
        """The tables of this module, also those without an entity."""
        return next(iter(self.entities.values())).table.metadata

    @property
    def migrations(self) -> Path:
        """The folder of this module's Alembic branch."""
        package = self.service.__module__.rpartition(".")[0]
        return Path(str(sys.modules[package].__file__)).parent / "migrations"


def _check_relations(entity: Entity[Any, Any, Any]) -> None:
    for name, relation in entity.relations.items():
        target = entity.siblings.get(relation.entity)
        if target is None:
            raise ConfigurationError(f"{entity.name}.{name}: its module has no entity {relation.entity!r}")
        if relation.by not in (target if relation.many else entity).table.c:
            raise ConfigurationError(f"{entity.name}.{name}: there is no column {relation.by!r}")
        if name not in entity.struct.__struct_fields__:
            raise ConfigurationError(f"{entity.name}.{name}: {entity.struct.__qualname__} has no such field")
