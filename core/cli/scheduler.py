"""`holdfast scheduler`."""

import asyncio
import socket
from contextlib import AsyncExitStack, nullcontext
from importlib import import_module

import click
from rich_click import RichCommand

from ..app import Application
from ..config import Config
from ..logging import configure_logging
from ..scheduler import Scheduler
from ..shutdown import MARGIN_SECONDS, told_to_end
from .serve import address, listen

MONITOR = "jobs.monitor"


@click.command(cls=RichCommand)
@click.option("--port", type=click.IntRange(0, 65535), help="Where /health and /metrics are [default: nowhere].")
def scheduler(*, port: int | None) -> None:
    """Start the runs of jobs at their times, and leave them to the workers. As many may run as you like.

    `holdfast worker` does so too, unless it is told not to. /health is 503 when it has not looked for several beats.
    """
    config = Config.load()
    app = Application.load(config)
    configure_logging()
    with nullcontext() if port is None else listen(config.http.host, port) as listener:
        if listener is not None:
            click.echo(f"listening on {address(listener)}")
        asyncio.run(_schedule(app, listener))


async def _schedule(app: Application, listener: socket.socket | None) -> None:
    told = told_to_end(MARGIN_SECONDS)
    async with AsyncExitStack() as stack:
        # It sweeps nothing: runs are driven by workers.
        await stack.enter_async_context(app.running(sweeping=False))
        starting = Scheduler(app.container)
        await stack.enter_async_context(starting.running())
        if listener is not None:
            monitored = import_module(MONITOR).monitored
            await stack.enter_async_context(monitored(app, listener, is_well=lambda: not starting.is_late))
        click.echo("scheduling")
        await told.wait()
