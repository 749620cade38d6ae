"""`holdfast api`."""

import signal

import click
from rich_click import RichCommand

from ..app import Application
from ..config import Config
from ..errors import ConfigurationError
from .serve import address, listen, serve, stop_on

SECRET_MISSING = "HOLDFAST_SECRET is not set: give all processes of the shop the same long random text"  # noqa: S105, a message


@click.command(cls=RichCommand)
@click.option("--host", help="Address to listen on [default: http.host of holdfast.toml].")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on, 0 for any [default: http.port].")
@click.option("--workers", type=click.IntRange(1), help="Number of processes [default: http.workers].")
def api(*, host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the shop over HTTP. Wants DATABASE_URL and HOLDFAST_SECRET; SIGTERM lets requests under way end."""
    config = Config.load()
    if not config.secrets:
        raise ConfigurationError(SECRET_MISSING)
    Application.load(config)  # what is wrong with it is better said once than by every worker
    stop_on(signal.SIGTERM)
    listener = listen(host or config.http.host, config.http.port if port is None else port)
    click.echo(f"listening on {address(listener)}")
    serve(
        listener,
        workers=workers or config.http.workers,
        grace_seconds=config.engine.grace_seconds,
        stuck_seconds=config.engine.stuck_seconds,
    )
