"""`holdfast exec`."""

import asyncio
import inspect
import runpy
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click
from rich_click import RichCommand

from ..app import Application
from ..config import Config
from ..errors import ConfigurationError


@click.command("exec", cls=RichCommand, context_settings={"ignore_unknown_options": True})
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def execute(*, script: Path, arguments: tuple[str, ...]) -> None:
    """Run SCRIPT's `async def main(scope, *arguments)` in the shop; writes go into `scope.transaction()`."""
    function = runpy.run_path(str(script)).get("main")
    if not inspect.iscoroutinefunction(function):
        raise ConfigurationError(f"{script} has no `async def main(scope)`")
    asyncio.run(_run(function, arguments))


async def _run(function: Callable[..., Coroutine[Any, Any, object]], arguments: tuple[str, ...]) -> None:
    async with Application.load(Config.load()).running() as app, app.scope() as scope:
        await function(scope, *arguments)
