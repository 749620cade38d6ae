"""Dispatchers: how workers hear of queued runs before their sweep finds them."""

import importlib
from collections.abc import Sequence
from typing import Protocol, cast

from ..config import Config
from ..errors import ConfigurationError


class Dispatcher(Protocol):
    """Carries hints, which may get lost: the sweep of the workers finds every run all the same."""

    def dispatch(self, run_ids: Sequence[str]) -> None:
        """Tell the workers that these runs are queued; called in a thread, and what it raises is logged."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def load_dispatcher(config: Config) -> Dispatcher | None:
    """Return the dispatcher that the configuration names, as `module:class`; raises `ConfigurationError`."""
    name = config.jobs.dispatcher
    if not name:
        return None
    module, _, attribute = name.partition(":")
    try:
        made = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"jobs.dispatcher: {name!r}: {error}") from error
    return cast("Dispatcher", made(config))
