"""The application: what `holdfast.toml` lists, put together, opened and closed."""

import importlib
import pkgutil
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, cast

from msgspec.structs import replace
from sqlalchemy import Table

from .clock import Clock
from .config import Config
from .container import Container, Outlet, Scope
from .db import create_engine
from .errors import ConfigurationError
from .heartbeat import Heartbeat
from .integrity import Integrity
from .job import Job, Jobs, read_missed_ticks
from .link import Link, LinkRegistry, Links, create_links, dismiss_links
from .module import Act, Check, Module
from .query import Graphs, Query
from .workflow import Events, Hook, Runs, Workflow, WorkflowEngine, background
from .workflow.registry import Registry
from .workflow.step import AnyStep

PLUGINS = "holdfast.plugins"


class Application:
    """Modules, links and workflows on one database; `async with app:` opens it, `app.scope()` is a unit of work."""

    def __init__(
        self,
        config: Config,
        *,
        modules: Sequence[Module[Any]],
        links: Sequence[Link] = (),
        workflows: Sequence[Workflow[Any, Any]] = (),
        steps: Sequence[AnyStep[..., Any, Any] | Hook[Any]] = (),
    ) -> None:
        self.config = config
        self.modules = _by_name(modules)
        linked = LinkRegistry(links, modules)
        self.links = linked.links
        self.clock = Clock()
        self.database = create_engine(config)
        self.container = Container(config, self.database, self.clock)
        clockwork = config.engine
        # A connection of its own: while the steps wait for theirs, the process still lives.
        self._pulse = create_engine(replace(config, database=replace(config.database, pool_size=1, pool_overflow=0)))
        jobs = [each.label for each in workflows if isinstance(each, Job)]
        self.heartbeat = Heartbeat(self._pulse, self.clock, clockwork.beat_seconds, clockwork.lease_seconds, jobs=jobs)
        registry = Registry(workflows, [*background.STEPS, create_links, dismiss_links, *steps])
        self.workflows = WorkflowEngine(self.container, registry, self.heartbeat)
        self.workflows.gauges.sources.append(partial(read_missed_ticks, self.container))
        self.container.register(WorkflowEngine, lambda _scope: self.workflows)
        self.container.register(Runs, Runs)
        self.container.register(Events, Events)
        self.container.register(Jobs, Jobs)
        self.container.register(Outlet, lambda _scope: self.workflows.outbox)
        self.container.register(Links, lambda scope: Links(scope, linked))
        self.container.register(Integrity, lambda scope: Integrity(scope, self.checks))
        for module in modules:
            self.container.register(module.service, module.service)
        graphs = Graphs((entity for module in modules for entity in module.entities.values()), links)
        self.container.register(Query, lambda scope: Query(scope.session, graphs))

    @classmethod
    def load(cls, config: Config) -> "Application":
        """Import what the configuration lists and what stands in `links/` and `workflows/`.

        A link of a module that is not listed is left out. Raises `ConfigurationError`.
        """
        plugins = [*_plugins(config.plugins)]
        modules = [_module(name) for name in config.modules]
        modules += [module for plugin in plugins for module in _members(plugin, Module)]
        packages = [*map(importlib.import_module, ("workflows", "jobs")), *plugins]
        workflows = [found for package in packages for found in _members(package, Workflow)]
        steps = [found for package in packages for kind in (AnyStep, Hook) for found in _members(package, kind)]
        return cls(config, modules=modules, links=_links(plugins, modules), workflows=workflows, steps=steps)

    @property
    def link_tables(self) -> Sequence[Table[Any]]:
        """The tables of the links, to be migrated after those of the modules."""
        return [link.table for link in self.links.values()]

    @property
    def checks(self) -> dict[str, Check]:
        """The integrity checks of all modules and links."""
        owners = (*self.modules.values(), *self.links.values())
        return {f"{owner.name}: {name}": check for owner in owners for name, check in owner.checks.items()}

    def scope(self, *, context: Mapping[str, str] | None = None) -> AbstractAsyncContextManager[Scope]:
        """Open a scope: `async with app.scope() as scope:`."""
        return self.container.scope(context=context)

    async def open(self, *, sweeping: bool = True, worker: bool = False) -> None:
        """Set the clock, start beating, start the modules in order, take over the runs that others left.

        Without `sweeping` no run is taken up that is not asked for. With a dispatcher only a `worker` takes up queued
        runs.
        """
        await self.heartbeat.start()
        for module in self.modules.values():
            if module.on_start is not None:
                await self._within_scope(module.on_start)
        if sweeping:
            self.workflows.open(worker=worker)

    async def close(self) -> None:
        """Let running workflows end (up to `grace_seconds`), stop the modules in reverse order, disconnect."""
        async with AsyncExitStack() as stack:  # backwards, and each also when another one fails
            stack.push_async_callback(self.database.dispose)
            stack.push_async_callback(self._pulse.dispose)
            stack.push_async_callback(self.heartbeat.stop)
            for module in self.modules.values():
                if module.on_stop is not None:
                    stack.push_async_callback(self._within_scope, module.on_stop)
            stack.push_async_callback(self.workflows.close, self.config.engine.grace_seconds)

    async def _within_scope(self, act: Act) -> None:
        async with self.scope() as scope:
            await act(scope)

    @asynccontextmanager
    async def running(self, *, sweeping: bool = True, worker: bool = False) -> AsyncGenerator["Application"]:
        """Open for the length of a block."""
        try:
            await self.open(sweeping=sweeping, worker=worker)
            yield self
        finally:
            await self.close()


def _by_name(modules: Sequence[Module[Any]]) -> dict[str, Module[Any]]:
    named = {module.name: module for module in modules}
    if len(named) < len(modules):
        raise ConfigurationError("two modules have the same name")
    owners: dict[str, str] = {}
    for module in modules:
        for entity in module.entities:
            if owners.setdefault(entity, module.name) != module.name:
                raise ConfigurationError(f"entity {entity!r} is in {owners[entity]} and in {module.name}")
    return named


def _module(name: str) -> Module[Any]:
    try:
        package = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"module {name!r} in holdfast.toml: {error}") from error
    for member in vars(package).values():
        if isinstance(member, Module):
            return cast("Module[Any]", member)
    raise ConfigurationError(f"module {name!r} in holdfast.toml defines no Module")


def _plugins(names: Sequence[str]) -> Iterator[ModuleType]:
    installed = {point.name: point for point in entry_points(group=PLUGINS)}
    for name in names:
        if name not in installed:
            raise ConfigurationError(f"plugin {name!r} is not installed; installed are {sorted(installed)}")
        yield installed[name].load()


def _links(plugins: Sequence[ModuleType], modules: Sequence[Module[Any]]) -> list[Link]:
    entities = {entity for module in modules for entity in module.entities.values()}
    packages = [importlib.import_module("links"), *plugins]
    found: list[Link] = [link for package in packages for link in _members(package, Link)]
    return [link for link in found if all(side.entity in entities for side in link.sides)]


def _members(package: ModuleType, kind: type[Any]) -> list[Any]:
    """Return every instance of `kind` that a module under `package` defines, each once."""
    found: dict[int, Any] = {}
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for member in vars(importlib.import_module(info.name)).values():
            if isinstance(member, kind):
                found[id(member)] = member
    return list(found.values())
