"""`holdfast scheduler`."""

import asyncio
import signal

import click
from rich_click import RichCommand

from ..app import Application
from ..config import Config
from ..logging import configure_logging
from ..scheduler import Scheduler


@click.command(cls=RichCommand)
def scheduler() -> None:
    """Start the runs of jobs at their times, and leave them to the workers. As many may run as you like.

    `holdfast worker` does so too, unless it is told not to.
    """
    app = Application.load(Config.load())
    configure_logging()
    asyncio.run(_schedule(app))


async def _schedule(app: Application) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    # It sweeps nothing: runs are driven by workers.
    async with app.running(sweeping=False), Scheduler(app.container).running():
        click.echo("scheduling")
        await stopping.wait()
