"""Applications for tests, put together by hand on a given database."""

from collections.abc import Sequence
from typing import Any

import msgspec

from ..app import Application
from ..config import Config
from ..link import Link
from ..module import Module
from ..workflow import Workflow

SECRET = "signs what tests make"  # noqa: S105, not a secret
BEAT_SECONDS = 0.2
"""Tests that move the clock wait for a beat."""


def config_on(url: str, config: Config | None = None) -> Config:
    """Return `config` (by default an empty one) on the database `url`, beating fast and with a secret.

    Without a dispatcher: what tests start in the background is done by their own process.
    """
    config = config or Config()
    return msgspec.structs.replace(
        config,
        database=msgspec.structs.replace(config.database, url=url),
        engine=msgspec.structs.replace(config.engine, beat_seconds=BEAT_SECONDS),
        jobs=msgspec.structs.replace(config.jobs, dispatcher=""),
        secrets=config.secrets or [SECRET],
    )


def application_on(
    url: str,
    *,
    modules: Sequence[Module[Any]] = (),
    links: Sequence[Link] = (),
    workflows: Sequence[Workflow[Any, Any]] = (),
    config: Config | None = None,
) -> Application:
    """Return an application of these modules, links and workflows alone; open it with `async with app.running():`."""
    return Application(config_on(url, config), modules=modules, links=links, workflows=workflows)
