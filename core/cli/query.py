"""`holdfast query`."""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

import click
import msgspec
from rich_click import RichCommand

from ..app import Application
from ..config import Config
from ..container import Scope
from ..errors import InvalidData
from ..module import Entity
from ..query import Options


@click.command("query", cls=RichCommand)
@click.argument("entity")
@click.option("--fields", default="*", show_default=True, help='Paths, e.g. "id,staff.name,order.items.*".')
@click.option("--filters", help="""JSON, e.g. '{"customer.email": "jane@example.com"}'.""")
@click.option("--order", help='Paths to sort by, e.g. "-start_at,staff.name"; - is for descending.')
@click.option("--take", type=click.IntRange(0), default=20, show_default=True, help="How many rows at most.")
@click.option("--skip", type=click.IntRange(0), default=0, help="How many rows to leave out first.")
@click.option("--count", is_flag=True, help="Count all rows that the filters match.")
@click.option("--with-deleted", is_flag=True, help="Show soft-deleted rows and links too.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON, as PostgreSQL made it.")
@click.option("--explain", is_flag=True, help="Print the SQL, its parameters, and how PostgreSQL runs it.")
def query(*, entity: str, fields: str, filters: str | None, order: str | None, **given: Any) -> None:
    """Read rows of ENTITY, such as booking, and of what is related and linked to it, in one statement."""
    as_json, explain = given.pop("as_json"), given.pop("explain")
    options = Options(fields=_listed(fields), filters=_filters(filters), order=_order(order), **given)
    click.echo(asyncio.run(_run(entity, options, as_json=as_json, explain=explain)))


async def _run(name: str, options: Options, *, as_json: bool, explain: bool) -> str:
    app = Application.load(Config.load())
    try:
        async with app.scope() as scope:
            entity = _entity(app, name)
            return await (_explained(scope, entity, options) if explain else _read(scope, entity, options, as_json))
    finally:
        await app.database.dispose()


async def _read(scope: Scope, entity: Entity[Any, Any, Any], options: Options, as_json: bool) -> str:
    found = await scope.query.graph_json(entity, **options)
    return (found if as_json else msgspec.json.format(found, indent=2)).decode()


async def _explained(scope: Scope, entity: Entity[Any, Any, Any], options: Options) -> str:
    sql, parameters, plan = await scope.query.explain(entity, **options)
    return f"{sql}\n\n{dict(parameters)}\n\n{plan}"


def _entity(app: Application, name: str) -> Entity[Any, Any, Any]:
    known = {entity.name: entity for module in app.modules.values() for entity in module.entities.values()}
    if name not in known:
        raise InvalidData(f"there is no entity {name!r}; there are {', '.join(sorted(known))}")
    return known[name]


def _listed(text: str) -> Sequence[str]:
    return [path.strip() for path in text.split(",")]


def _filters(text: str | None) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise InvalidData(f"--filters: {error}") from error


def _order(text: str | None) -> dict[str, Literal["asc", "desc"]]:
    return {path.removeprefix("-"): "desc" if path.startswith("-") else "asc" for path in _listed(text)} if text else {}
