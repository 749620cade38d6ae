"""What an application has of the engine's: workflows by id and version, steps by id."""

from collections.abc import Iterable
from typing import Any

from ..errors import ConfigurationError
from .decodable import check_decodable
from .definition import WEEK, Definition
from .hook import Hook
from .reach import reachable
from .secret import check_no_secrets
from .step import AnyStep


class Registry:
    """Raises `ConfigurationError` if an id is used twice, or a type cannot be read back from the journal.

    Steps are those given and all that the workflows can come to call, through children too: a run that another process
    left is undone by the steps that are known here.
    """

    def __init__(self, definitions: Iterable[Definition[Any, Any]], steps: Iterable[object] = ()) -> None:
        self.definitions: dict[tuple[str, int], Definition[Any, Any]] = {}
        self.steps: dict[str, AnyStep[..., Any, Any]] = {}
        self.subscriptions: dict[str, dict[str, Definition[Any, Any]]] = {}
        """By event and id, each in its latest version."""
        self._hooks: dict[str, Hook[Any]] = {}
        known = [*definitions]
        for definition in known:
            self._add(definition)
        self._learn_steps([*known, *steps])

    def definition(self, workflow: str, version: int) -> Definition[Any, Any]:
        """Return a workflow in that version; `ConfigurationError` if there is none."""
        found = self.definitions.get((workflow, version))
        if found is None:
            raise ConfigurationError(f"there is no workflow {workflow!r} in version {version}")
        return found

    def learn(self, definition: Definition[Any, Any]) -> Definition[Any, Any]:
        """Take in a workflow that was not known when the application was put together, and return it."""
        if self.definitions.get((definition.id, definition.version)) is not definition:
            self._learn_steps([definition])
            self._add(definition)
        return definition

    def nearest(self, workflow: str, version: int) -> Definition[Any, Any]:
        """Return a workflow in that version, else in the latest, else a stand-in: enough to undo a run."""
        versions = [known for id, known in self.definitions if id == workflow]
        if not versions:
            return Definition(workflow, _no_body, version=version, retention=WEEK)
        return self.definition(workflow, version if version in versions else max(versions))

    def _add(self, definition: Definition[Any, Any]) -> None:
        known = self.definitions.get((definition.id, definition.version), definition)
        if known is not definition:
            raise ConfigurationError(f"two workflows have the id {definition.id!r}, version {definition.version}")
        self.definitions[definition.id, definition.version] = definition
        if definition.event is not None:
            subscribed = self.subscriptions.setdefault(definition.event, {})
            subscribed[definition.id] = max(definition, subscribed.get(definition.id, definition), key=_version)

    def _learn_steps(self, starts: Iterable[object]) -> None:
        """Take in all steps that `starts` can come to call, or none of them; raises `ConfigurationError`."""
        steps, hooks = dict(self.steps), dict(self._hooks)
        for each in reachable(starts):
            if isinstance(each, Definition):
                check_no_secrets(each.body, f"workflow {each.id}")
                check_decodable(each)
            elif isinstance(each, Hook):
                if hooks.setdefault(each.id, each) is not each:
                    raise ConfigurationError(f"two hooks have the id {each.id!r}")
            else:
                origin = each.origin
                if steps.setdefault(origin.id, origin) is not origin:
                    raise ConfigurationError(f"two steps have the id {origin.id!r}")
                if origin.id not in self.steps:
                    check_no_secrets(origin.fn, f"step {origin.id}")
                    check_decodable(origin)
        self.steps.update(steps)
        self._hooks = hooks


def _version(definition: Definition[Any, Any]) -> int:
    return definition.version


async def _no_body(_data: None) -> None:
    raise ConfigurationError("there is no code for this workflow")
