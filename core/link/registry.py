"""The links of an application, and what it takes to follow them."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec

from ..container import Scope
from ..errors import ConfigurationError
from ..module import Module, Service
from ..repository import Repository
from .definition import AnyEntity, Link, LinkSide


class Cascade(msgspec.Struct, frozen=True, eq=False):
    """A way that deletions take."""

    link: Link
    source: LinkSide
    target: LinkSide


class LinkRegistry:
    """Knows the links by name, the cascades from each entity, and whose repository deletes its records."""

    def __init__(self, links: Sequence[Link], modules: Iterable[Module[Any]]) -> None:
        self.links = {link.name: link for link in links}
        self._owners = {entity: module for module in modules for entity in module.entities.values()}
        for link in links:
            if self.links[link.name] is not link:
                raise ConfigurationError(f"two links are called {link.name}: give one of them a `table=`")
        for side in (side for link in links for side in link.sides):
            self._check(side)

    def _check(self, side: LinkSide) -> None:
        if side.entity not in self._owners:
            raise ConfigurationError(f"a link names {side.entity.name}, which is in no module of this application")
        if side.delete_cascade:
            self._attribute(side.entity)

    def cascades(self, entity: AnyEntity) -> list[Cascade]:
        """Return where a deletion of these records leads to."""
        ways = [Cascade(link, *pair) for link in self.links.values() for pair in (link.sides, link.sides[::-1])]
        return [way for way in ways if way.source.entity is entity and way.target.delete_cascade]

    def entity(self, name: str) -> AnyEntity:
        """Return the entity of that name."""
        return next(entity for entity in self._owners if entity.name == name)

    def repository(self, scope: Scope, entity: AnyEntity) -> Repository[Any, Any, Any]:
        """Return the repository of the entity's own service, which may have rules for deletions."""
        name = self._attribute(entity)
        return getattr(scope.resolve(cast("type[Service]", self._owners[entity].service)), name)

    def _attribute(self, entity: AnyEntity) -> str:
        if entity not in self._owners:
            raise ConfigurationError(f"{entity.name} is in no module of this application")
        service = self._owners[entity].service
        for name, member in _members(service).items():
            if isinstance(member, Repository) and cast("Repository[Any, Any, Any]", member).entity is entity:
                return name
        raise ConfigurationError(f"{service.__qualname__} has no repository of {entity.name} that could delete any")


def _members(service: type[Service]) -> Mapping[str, object]:
    return {name: inspect.getattr_static(service, name) for name in dir(service)}
