"""`holdfast events`."""

import asyncio

import click
import msgspec
from rich.text import Text
from rich_click import RichCommand, RichGroup

from ..app import Application
from ..config import Config
from ..workflow import Events
from ..workflow.events import Delivery, EventSummary
from .run_tree import cut, moment
from .run_view import COLOURS, new_table, print_all
from .run_watch import logs_on_standard_error


@click.group(cls=RichGroup)
def events() -> None:
    """Look at events and who got them, and deliver them anew."""


@events.command("list", cls=RichCommand)
@click.option("--failed", is_flag=True, help="Only those that could not be delivered to every subscriber.")
@click.option("--name", help="Only those of this name.")
@click.option("--take", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@click.option("--before", metavar="EVENT", help="Only those that are older than this event.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_events(*, failed: bool, name: str | None, take: int, before: str | None, as_json: bool) -> None:
    """List events with their deliveries, the latest first. Times are UTC."""
    found = asyncio.run(_list(failed=failed, name=name, take=take, before=before))
    if as_json:
        click.echo(msgspec.json.encode(found))
    elif found:
        _print(found)
    else:
        everything = (failed, name, before) == (False, None, None)
        click.echo("There are no events." if everything else "There are no such events.")


@events.command(cls=RichCommand)
@click.argument("event")
@click.option("--subscriber", metavar="ID", help="Only to this one [default: all that it could not be delivered to].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def retry(*, event: str, subscriber: str | None, as_json: bool) -> None:
    """Deliver EVENT anew to subscribers that failed, each by a new run; what the old one did is undone already."""
    with logs_on_standard_error():
        runs = asyncio.run(_retry(event, subscriber))
    if as_json:
        click.echo(msgspec.json.encode(runs))
    else:
        click.echo("\n".join(f"event {event} goes to {id} anew: run {run}" for id, run in runs.items()))


async def _list(*, failed: bool, name: str | None, take: int, before: str | None) -> list[EventSummary]:
    app = Application.load(Config.load())
    try:
        async with app.scope() as scope:
            return await scope.resolve(Events).list(failed=failed, name=name, take=take, before=before)
    finally:
        await app.database.dispose()


async def _retry(event: str, subscriber: str | None) -> dict[str, str]:
    async with Application.load(Config.load()).running(sweeping=False) as app, app.scope() as scope:
        return await scope.resolve(Events).retry(event, subscriber=subscriber)


def _print(found: list[EventSummary]) -> None:
    table = new_table("event", "name", "emitted", "subscriber", "state", "run", "error")
    for event in found:
        about = [event.id, event.name, moment(event.emitted_at)]
        for delivery in event.deliveries or [None]:
            table.add_row(*map(Text, [*about, *_cells(delivery)]), style=delivery and COLOURS.get(delivery.status))
            about = ["", "", ""]
    print_all(table)


def _cells(delivery: Delivery | None) -> list[str]:
    if delivery is None:
        return ["", "", "", ""]
    error = delivery.error
    said = "" if error is None else cut(f"{error.code}: {error.detail}", False)
    return [delivery.subscriber, delivery.status, delivery.run_id, said]
