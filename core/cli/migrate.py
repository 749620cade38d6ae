"""`holdfast migrate`."""

import click
from rich_click import RichCommand

from ..app import Application
from ..config import Config
from ..db.branch import branches
from ..db.migrate import Migrations


@click.command(cls=RichCommand)
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if tables are behind or not as the models say.")
@click.option("--to", "revision", metavar="REVISION", help="Take one module up or down; booking_0000 removes it.")
@click.option(
    "--allow-destructive", is_flag=True, help="Also drop and alter link tables that are no longer defined so."
)
def migrate(*, check: bool, revision: str | None, allow_destructive: bool) -> None:
    """Bring the database's tables up to date: the engine's first, then those of each module, then those of links."""
    config = Config.load()
    app = Application.load(config)
    migrations = Migrations(
        config.database.url, branches(app.modules.values()), links=app.link_tables, report=click.echo
    )
    if check:
        _check(migrations)
    elif revision:
        migrations.move(revision)
    else:
        migrations.upgrade(allow_destructive=allow_destructive)
        click.echo("The database is up to date.")


def _check(migrations: Migrations) -> None:
    missing = migrations.missing()
    for name in missing:
        click.echo(f"not applied: {name}")
    for change in migrations.obsolete():
        click.echo(f"needs --allow-destructive: {change}")
    differences = [] if missing else migrations.differences()
    for difference in differences:
        click.echo(f"differs: {difference}")
    if missing or differences:
        raise SystemExit(1)
    click.echo("The database is up to date.")
