"""`holdfast runs`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import click
import msgspec
from rich_click import RichCommand, RichGroup

from ..app import Application
from ..config import Config
from ..workflow import RunDetails, Runs, RunSummary
from ..workflow.runs import STATES
from .run_view import print_run, print_runs, state
from .run_watch import Watch, logs_on_standard_error

FAILED = frozenset({"failed", "compensation_failed", "nondeterministic"})
WAIT_SECONDS = 5.0

Command = Callable[..., Any]
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
run_id = click.argument("run_id", metavar="RUN")
wait = click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=WAIT_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the end; 0 only asks for it.",
)


@click.group(cls=RichGroup)
def runs() -> None:
    """Look at the runs of workflows, and act on them."""


@runs.command("list", cls=RichCommand)
@click.option("--status", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--workflow", help="Only those of this workflow.")
@click.option("--take", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@click.option("--before", metavar="RUN", help="Only those that are older than this run.")
@as_json
def list_runs(*, status: str | None, workflow: str | None, take: int, before: str | None, as_json: bool) -> None:
    """List runs, the latest first. "No code": no workflow of that id and version is known here."""

    async def find(runs: Runs) -> list[RunSummary]:
        return await runs.list(status=status, workflow=workflow, before=before, take=take)

    found = asyncio.run(_look(find))
    if as_json:
        click.echo(msgspec.json.encode(found))
    elif found:
        print_runs(found)
    else:
        everything = (status, workflow, before) == (None, None, None)
        click.echo("There are no runs." if everything else "There are no such runs.")


@runs.command(cls=RichCommand)
@run_id
@click.option("--full", is_flag=True, help="Shorten no value, and show inputs and what undos are called with.")
@as_json
def show(*, run_id: str, full: bool, as_json: bool) -> None:
    """Show a run: its steps as a tree of paths, who drives it, and why it is parked. Times are UTC."""
    found = asyncio.run(_look(lambda runs: runs.retrieve(run_id)))
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        print_run(found, full=full)


@runs.command(cls=RichCommand)
@run_id
@wait
@as_json
def retry(*, run_id: str, wait: float, as_json: bool) -> None:
    """Drive a run again that is parked, waits or could not be undone; of its undos only those that failed."""
    _act(lambda runs: runs.retry(run_id), run_id, "is tried again", wait, as_json=as_json)


@runs.command(cls=RichCommand)
@run_id
@wait
@as_json
def cancel(*, run_id: str, wait: float, as_json: bool) -> None:
    """Undo a run, also one that has ended well."""
    _act(lambda runs: runs.cancel(run_id), run_id, "is to be undone", wait, as_json=as_json)


@runs.command(cls=RichCommand)
@run_id
@wait
@as_json
def compensate(*, run_id: str, wait: float, as_json: bool) -> None:
    """Give up a run that is parked or that nobody drives: undo what it did by its journal, without its body.

    Of one that is being undone, and that nobody drives since steps are not known, their undos are given up.
    """
    _act(lambda runs: runs.compensate(run_id), run_id, "is given up", wait, as_json=as_json)


async def _look(at: Callable[[Runs], Awaitable[Any]]) -> Any:
    app = Application.load(Config.load())
    try:
        async with app.scope() as scope:
            return await at(scope.resolve(Runs))
    finally:
        await app.database.dispose()


def _act(ask: Callable[[Runs], Awaitable[bool | None]], run_id: str, what: str, wait: float, *, as_json: bool) -> None:
    """Ask for something and say what came of it; exit code 1 if the run ended badly."""
    with logs_on_standard_error():
        run = asyncio.run(_ask(ask, run_id, what, wait))
    if as_json:
        click.echo(msgspec.json.encode(run))
    else:
        error = "" if run.error is None else f": {run.error.detail}"
        click.echo(f"run {run_id} is {state(run)}{error}")
    if wait and run.status in FAILED:
        raise SystemExit(1)


async def _ask(ask: Callable[[Runs], Awaitable[bool | None]], run_id: str, what: str, wait: float) -> RunDetails:
    # It sweeps nothing: who asks for one run does not want to drive a thousand others.
    async with Application.load(Config.load()).running(sweeping=False) as app:
        watch = Watch(app, run_id)
        before = await watch.look()
        async with app.scope() as scope:
            asked = await ask(scope.resolve(Runs))
        if asked is False:
            click.echo(f"run {run_id} was {before.status}: there is nothing to undo", err=True)
            return before
        click.echo(f"run {run_id} was {before.status} and {what}", err=True)
        return await watch.until_it_rests(wait)
