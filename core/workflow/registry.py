"""What an application has of the engine's: workflows by id and version, steps by id."""

import sys
from collections.abc import Iterable
from inspect import getclosurevars
from typing import Any, cast

from ..errors import ConfigurationError
from .definition import Definition
from .hook import Hook
from .step import AnyStep


class Registry:
    """Raises `ConfigurationError` if an id is used twice.

    Steps are those given, those in the modules of the workflows, and those that their bodies have in their closures:
    a run that another process left is undone by the steps that are known here.
    """

    def __init__(self, definitions: Iterable[Definition[Any, Any]], steps: Iterable[object] = ()) -> None:
        self.definitions: dict[tuple[str, int], Definition[Any, Any]] = {}
        self.steps: dict[str, AnyStep[..., Any, Any]] = {}
        for definition in definitions:
            self._add(definition)
        for each in steps:
            self._add_steps(each)

    def definition(self, workflow: str, version: int) -> Definition[Any, Any]:
        """Return a workflow in that version, or in the highest that there is: undoing a run takes any."""
        versions = [known for id, known in self.definitions if id == workflow]
        if not versions:
            raise ConfigurationError(f"there is no workflow {workflow!r}")
        return self.definitions[workflow, version if version in versions else max(versions)]

    def _add(self, definition: Definition[Any, Any]) -> None:
        known = self.definitions.setdefault((definition.id, definition.version), definition)
        if known is not definition:
            raise ConfigurationError(f"two workflows have the id {definition.id!r}, version {definition.version}")
        module = sys.modules.get(definition.body.__module__)
        near = [*(vars(module).values() if module else ()), *getclosurevars(definition.body).nonlocals.values()]
        for each in near:
            self._add_steps(each)

    def _add_steps(self, each: object) -> None:
        if isinstance(each, Hook):
            for handler in cast("Hook[Any]", each).handlers.values():
                self._add_steps(handler)
        if isinstance(each, AnyStep):
            origin = cast("AnyStep[..., Any, Any]", each).origin
            if self.steps.setdefault(origin.id, origin) is not origin:
                raise ConfigurationError(f"two steps have the id {origin.id!r}")
