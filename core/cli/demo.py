"""Demo data for an empty database."""

import asyncio

import click
from sqlalchemy import exists, select

from ..app import Application


def load_demo(app: Application) -> None:
    """Call every module's demo, if no module has a row yet."""
    asyncio.run(_load(app))


async def _load(app: Application) -> None:
    async with app.running():
        if await _has_rows(app):
            return
        for module in app.modules.values():
            if module.demo is not None:
                click.echo(f"loading demo data: {module.name}")
                async with app.scope() as scope:
                    await module.demo(scope)


async def _has_rows(app: Application) -> bool:
    tables = [table for module in app.modules.values() for table in module.metadata.sorted_tables]
    async with app.scope() as scope:
        rows = await scope.session.read(select(*(exists(select(1).select_from(table)) for table in tables)))
    return any(rows[0])
