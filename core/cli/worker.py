"""`holdfast worker`."""

import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from tempfile import TemporaryDirectory

import click
from rich_click import RichCommand

from ..app import Application
from ..config import Config
from ..errors import ConfigurationError
from ..logging import configure_logging
from ..metrics import share_metrics
from .serve import address, listen, stop_on
from .workers import KILL_MARGIN_SECONDS, Workers

WORKER = "jobs.worker"
REDIS_MISSING = "REDIS_URL is not set: workers hear of their work through Redis"


@click.command(cls=RichCommand)
@click.option("--processes", type=click.IntRange(1), help="Number of processes [default: jobs.processes].")
@click.option("--threads", type=click.IntRange(1), help="Hints a process follows at once [default: jobs.threads].")
@click.option("--queues", multiple=True, metavar="NAME", help="Queue to listen to, repeatable [default: jobs.queue].")
@click.option("--port", type=click.IntRange(0, 65535), help="Where /health and /metrics are [default: jobs.port].")
@click.option("--no-scheduler", is_flag=True, help="Leave scheduled jobs to other processes.")
@click.option("--lifeline", is_flag=True, hidden=True, help="End when standard input does; one process.")
def worker(
    *,
    processes: int | None,
    threads: int | None,
    queues: Sequence[str],
    port: int | None,
    no_scheduler: bool,
    lifeline: bool,
) -> None:
    """Drive workflows in the background. Wants DATABASE_URL and REDIS_URL; SIGTERM lets runs under way end."""
    config = Config.load()
    if not config.redis_url:
        raise ConfigurationError(REDIS_MISSING)
    Application.load(config)  # what is wrong with it is better said once than by every process
    stop_on(signal.SIGTERM)
    configure_logging()
    port = config.jobs.port if port is None else port
    with nullcontext() if port is None else listen(config.http.host, port) as listener:
        if listener is not None:
            click.echo(f"listening on {address(listener)}")
        worker = import_module(WORKER)
        task = worker.Work(
            config=config,
            queues=queues or [config.jobs.queue],
            threads=threads or config.jobs.threads,
            scheduler=not no_scheduler,
            listener=listener,
            lifeline=sys.stdin.fileno() if lifeline else None,
        )
        count = 1 if lifeline else processes or config.jobs.processes
        if count == 1:
            worker.work(task)
        else:
            with TemporaryDirectory(prefix="holdfast-metrics-") as folder:
                share_metrics(folder)
                patience = config.engine.grace_seconds + task.margin_seconds + KILL_MARGIN_SECONDS
                raise SystemExit(Workers(partial(worker.work, task), count, patience=patience).run())
