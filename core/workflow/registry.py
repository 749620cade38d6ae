"""What an application has of the engine's: workflows by id and version, steps by id."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import CellType
from typing import Any, cast

from ..errors import ConfigurationError
from .definition import WEEK, Definition
from .hook import Hook
from .secret import check_no_secrets
from .step import AnyStep


class Registry:
    """Raises `ConfigurationError` if an id is used twice.

    Steps are those given, those in the modules of the workflows, and those that their bodies have in their closures:
    a run that another process left is undone by the steps that are known here.
    """

    def __init__(self, definitions: Iterable[Definition[Any, Any]], steps: Iterable[object] = ()) -> None:
        self.definitions: dict[tuple[str, int], Definition[Any, Any]] = {}
        self.steps: dict[str, AnyStep[..., Any, Any]] = {}
        self.subscriptions: dict[str, dict[str, Definition[Any, Any]]] = {}
        """By event and id, each in its latest version."""
        for definition in definitions:
            self._add(definition)
        for each in steps:
            self._add_steps(each)

    def definition(self, workflow: str, version: int) -> Definition[Any, Any]:
        """Return a workflow in that version; `ConfigurationError` if there is none."""
        found = self.definitions.get((workflow, version))
        if found is None:
            raise ConfigurationError(f"there is no workflow {workflow!r} in version {version}")
        return found

    def learn(self, definition: Definition[Any, Any]) -> Definition[Any, Any]:
        """Take in a workflow that was not known when the application was put together, and return it."""
        if self.definitions.get((definition.id, definition.version)) is not definition:
            self._add(definition)
        return definition

    def nearest(self, workflow: str, version: int) -> Definition[Any, Any]:
        """Return a workflow in that version, else in the latest, else a stand-in: enough to undo a run."""
        versions = [known for id, known in self.definitions if id == workflow]
        if not versions:
            return Definition(workflow, _no_body, version=version, retention=WEEK)
        return self.definition(workflow, version if version in versions else max(versions))

    def _add(self, definition: Definition[Any, Any]) -> None:
        known = self.definitions.setdefault((definition.id, definition.version), definition)
        if known is not definition:
            raise ConfigurationError(f"two workflows have the id {definition.id!r}, version {definition.version}")
        if definition.event is not None:
            subscribed = self.subscriptions.setdefault(definition.event, {})
            subscribed[definition.id] = max(definition, subscribed.get(definition.id, definition), key=_version)
        check_no_secrets(definition.body, f"workflow {definition.id}")
        module = sys.modules.get(definition.body.__module__)
        near = [*(vars(module).values() if module else ()), *_enclosed(definition.body)]
        for each in near:
            self._add_steps(each)

    def _add_steps(self, each: object) -> None:
        if isinstance(each, Hook):
            for handler in cast("Hook[Any]", each).handlers.values():
                self._add_steps(handler)
        if isinstance(each, AnyStep):
            origin = cast("AnyStep[..., Any, Any]", each).origin
            check_no_secrets(origin.fn, f"step {origin.id}")
            if self.steps.setdefault(origin.id, origin) is not origin:
                raise ConfigurationError(f"two steps have the id {origin.id!r}")


def _version(definition: Definition[Any, Any]) -> int:
    return definition.version


async def _no_body(_data: None) -> None:
    raise ConfigurationError("there is no code for this workflow")


def _enclosed(body: Callable[..., object]) -> Iterator[object]:
    """Yield what a body has in its closure, if it has one; a name that is bound later is not there yet."""
    cells: tuple[CellType, ...] = getattr(body, "__closure__", None) or ()
    for cell in cells:
        with suppress(ValueError):
            yield cell.cell_contents
