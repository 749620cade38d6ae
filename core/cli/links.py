"""`holdfast links`."""

import asyncio
from io import StringIO
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich_click import RichCommand, RichGroup
from sqlalchemy import func, literal, select, union_all

from ..app import Application
from ..config import Config
from ..link import Link, LinkSide

WIDEST = 120


class LinkSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What `holdfast links list` says of a link."""

    name: str
    left: str
    right: str
    table: str
    extra_columns: list[str]
    live_pairs: int


@click.group(cls=RichGroup)
def links() -> None:
    """Show which records of two modules can belong together."""


@links.command("list", cls=RichCommand)
@click.option("--json", "as_json", is_flag=True, help="Print the links as JSON.")
def list_links(*, as_json: bool) -> None:
    """List the links: what each side is called by the other one, and how many live pairs there are."""
    summaries = asyncio.run(_summaries(Application.load(Config.load())))
    click.echo(msgspec.json.encode(summaries).decode() if as_json else _readable(summaries))


async def _summaries(app: Application) -> list[LinkSummary]:
    try:
        async with app.scope() as scope:
            counted = union_all(*(_count(link) for link in app.links.values()))
            rows: list[Any] = list(await scope.session.read(counted)) if app.links else []
    finally:
        await app.database.dispose()
    live = dict(rows)
    return [_summary(link, live[link.name]) for link in app.links.values()]


def _count(link: Link) -> Any:
    alive = link.table.c.deleted_at.is_(None)
    return select(literal(link.name), func.count()).select_from(link.table).where(alive)


def _summary(link: Link, live: int) -> LinkSummary:
    return LinkSummary(
        name=link.name,
        left=_seen(link.right, link.left),
        right=_seen(link.left, link.right),
        table=str(link.table.name),
        extra_columns=list(link.extra),
        live_pairs=live,
    )


def _seen(near: LinkSide, far: LinkSide) -> str:
    return f"{near.entity.name}.{far.name}"


def _readable(summaries: list[LinkSummary]) -> str:
    if not summaries:
        return "There are no links."
    table = Table("link", "left", "right", "table", "extra columns", box=None, pad_edge=False)
    table.add_column("live pairs", justify="right")
    for each in summaries:
        extra = ", ".join(each.extra_columns)
        table.add_row(each.name, each.left, each.right, each.table, extra, str(each.live_pairs))
    text = StringIO()
    Console(file=text, width=WIDEST).print(table)
    return text.getvalue().rstrip()
