"""`holdfast jobs`."""

import asyncio

import click
import msgspec
from rich.text import Text
from rich_click import RichCommand, RichGroup

from ..app import Application
from ..config import Config
from ..job import Jobs, JobSummary
from ..workflow import RunDetails, Runs
from .run_tree import moment
from .run_view import COLOURS, new_table, print_all, state
from .run_watch import Watch, logs_on_standard_error
from .runs import FAILED

DAY = 24 * 3600.0


@click.group(cls=RichGroup)
def jobs() -> None:
    """Look at scheduled jobs, and run them."""


@jobs.command("list", cls=RichCommand)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_jobs(*, as_json: bool) -> None:
    """List the jobs: when each runs, how its last run ended, and when the next one is. Times are UTC."""
    with logs_on_standard_error():
        found = asyncio.run(_list())
    if as_json:
        click.echo(msgspec.json.encode(found))
    elif found:
        _print(found)
    else:
        click.echo("There are no jobs.")


@jobs.command(cls=RichCommand)
@click.argument("name")
@click.option("--no-wait", is_flag=True, help="Leave it to the workers.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def run(*, name: str, no_wait: bool, as_json: bool) -> None:
    """Run the job NAME now, whatever its schedule; in this process, unless a worker is faster."""
    with logs_on_standard_error():
        ended = asyncio.run(_run(name, wait=not no_wait))
    if as_json:
        click.echo(msgspec.json.encode(ended))
    else:
        error = "" if ended.error is None else f": {ended.error.detail}"
        click.echo(f"run {ended.id} of {name} is {state(ended)}{error}")
    if not no_wait and ended.status in FAILED:
        raise SystemExit(1)


async def _list() -> list[JobSummary]:
    app = Application.load(Config.load())
    # The clock is the database's, and the next tick is counted from now.
    async with app.running(sweeping=False), app.scope() as scope:
        return await scope.resolve(Jobs).list()


async def _run(name: str, *, wait: bool) -> RunDetails:
    async with Application.load(Config.load()).running(sweeping=False) as app:
        async with app.scope() as scope:
            run_id = (await scope.resolve(Jobs).run(name)).id
            if not wait:
                return await scope.resolve(Runs).retrieve(run_id)
        click.echo(f"run {run_id} of {name}", err=True)
        watch = Watch(app, run_id)
        await watch.look()
        driving = asyncio.create_task(app.workflows.drive(run_id))
        ended = await watch.until_it_rests(DAY)
        await driving
        return ended


def _print(found: list[JobSummary]) -> None:
    table = new_table("job", "cron", "time zone", "last run", "state", "next run")
    for job in found:
        last, following = job.last_started_at, job.next_tick_at
        cells = [
            job.id,
            job.cron,
            job.timezone,
            moment(last) if last else "",
            job.last_status or "",
            moment(following) if following else "never",
        ]
        table.add_row(*map(Text, cells), style=COLOURS.get(job.last_status or ""))
    print_all(table)
