"""`holdfast dev`: a whole shop with one command."""

import fcntl
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path

import click
from rich_click import RichCommand

from ..app import Application
from ..config import Config
from ..db.branch import branches
from ..db.embedded import EmbeddedPostgres, EmbeddedValkey
from ..db.migrate import Migrations
from ..errors import HoldfastError
from .demo import load_demo
from .serve import listen, serve, stop_on

GRACE_SECONDS = 3
ENDINGS = (signal.SIGTERM, signal.SIGHUP)
GUIDE = "api.guide"


class AlreadyRunning(HoldfastError):
    """Another `holdfast dev` uses this data folder."""

    code = "already_running"


@click.command(cls=RichCommand)
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on [default: http.port of holdfast.toml].")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=".holdfast",
    show_default=True,
    help="Where the databases and the secret are kept; a second shop takes another one.",
)
def dev(*, port: int | None, data_dir: Path) -> None:
    """Run a shop: PostgreSQL, Valkey, migrations, demo data, the API and a worker. Ctrl-C stops everything.

    DATABASE_URL, REDIS_URL and HOLDFAST_SECRET are used instead of servers and a secret of its own where they are set.
    """
    stop_on(*ENDINGS)
    with ExitStack() as stack:
        try:
            _run(stack, port, data_dir)
        except KeyboardInterrupt:
            click.echo("")
        finally:
            # A second Ctrl-C must not cut short how the servers are stopped.
            for number in (signal.SIGINT, *ENDINGS):
                signal.signal(number, signal.SIG_IGN)


def _run(stack: ExitStack, port: int | None, data_dir: Path) -> None:
    config = Config.load()
    listener = stack.enter_context(listen(config.http.host, config.http.port if port is None else port))
    stack.enter_context(_alone(data_dir))
    config = _complete(stack, config, data_dir)
    app = Application.load(config)
    wanted = branches(app.modules.values())
    Migrations(config.database.url, wanted, links=app.link_tables, report=click.echo).upgrade()
    load_demo(app)
    stack.enter_context(_worker())
    host, taken = listener.getsockname()[:2]
    serve(listener, grace_seconds=GRACE_SECONDS, ready=lambda: _welcome(config.shop.name, f"http://{host}:{taken}"))


def _complete(stack: ExitStack, config: Config, data_dir: Path) -> Config:
    """Start what is not given; the API and all other processes find it in the environment."""
    if not config.database.url:
        os.environ["DATABASE_URL"] = stack.enter_context(EmbeddedPostgres(data_dir))
    if not config.redis_url:
        os.environ["REDIS_URL"] = stack.enter_context(EmbeddedValkey(data_dir))
    if not config.secrets:
        os.environ["HOLDFAST_SECRET"] = _secret(data_dir / "secret")
    return Config.load()


@contextmanager
def _alone(data_dir: Path) -> Generator[None]:
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "dev.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"another `holdfast dev` uses {data_dir}; take another one with --data-dir") from None
        yield


@contextmanager
def _worker() -> Generator[None]:
    """Run a worker process, whose standard input ends with this one, however that ends."""
    command = [sys.executable, "-m", "core.cli", "worker", "--lifeline"]
    environ = {**os.environ, "HOLDFAST_ENGINE_GRACE_SECONDS": str(GRACE_SECONDS)}
    # A group of its own: the terminal's Ctrl-C is for this process, which ends the worker in its turn.
    process = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, process_group=0)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(2 * GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _secret(path: Path) -> str:
    if not path.exists():
        draft = path.with_suffix(".new")  # renamed when whole: an empty secret would be kept for good
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(32))
        draft.replace(path)
    return path.read_text()


def _welcome(name: str, url: str) -> None:
    """Say where everything is; in a thread, since it asks the API that is about to answer."""
    guide = import_module(GUIDE)
    threading.Thread(target=lambda: click.echo(guide.welcome(name, url)), daemon=True).start()
