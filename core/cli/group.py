"""The group of commands: ours, imported when needed, then those of the modules."""

import importlib
import re
from typing import Any

import click
from rich_click import RichGroup

from ..app import Application
from ..config import Config
from ..db import as_busy
from ..db.failure import driver_error
from ..errors import HoldfastError

COMMANDS = {
    "api": "core.cli.api:api",
    "dev": "core.cli.dev:dev",
    "doctor": "core.cli.doctor:doctor",
    "events": "core.cli.events:events",
    "exec": "core.cli.execute:execute",
    "jobs": "core.cli.jobs:jobs",
    "links": "core.cli.links:links",
    "migrate": "core.cli.migrate:migrate",
    "runs": "core.cli.runs:runs",
    "query": "core.cli.query:query",
    "scheduler": "core.cli.scheduler:scheduler",
    "smoke": "api.smoke:smoke",
    "worker": "core.cli.worker:worker",
}
UNDECODED = re.compile("[\ud800-\udfff]")
"""What Python makes of an argument's bytes that are no UTF-8."""


class Commands(RichGroup):
    """Finds commands by name, and says errors of ours in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands; those of the modules only where there is a shop."""
        try:
            return [*COMMANDS, *sorted(_commands_of_modules())]
        except HoldfastError:
            return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command."""
        if cmd_name in COMMANDS:
            module, _, name = COMMANDS[cmd_name].partition(":")
            return getattr(importlib.import_module(module), name)
        return _commands_of_modules().get(cmd_name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse bytes that are no text, which no statement can carry."""
        for each in args:
            if UNDECODED.search(each):
                ctx.fail(f"{each!r:.80} is no UTF-8 text")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ours, or a database that is away, ends it with one line and exit code 1."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            known = error if isinstance(error, HoldfastError) else as_busy(error)
            if known is None:
                raise
            click.echo(f"holdfast: {known.detail}{_reason(error)}", err=True)
            ctx.exit(1)


def _reason(error: BaseException) -> str:
    """What the database said, if it was the cause."""
    cause = driver_error(error) or (driver_error(error.__cause__) if error.__cause__ else None)
    return f" ({str(cause).splitlines()[0]})" if cause else ""


def _commands_of_modules() -> dict[str, click.Command]:
    modules = Application.load(Config.load()).modules.values()
    return {str(command.name): command for module in modules for command in module.commands}


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="holdfast", prog_name="holdfast", message="%(prog)s %(version)s")
def main() -> None:
    """Run a Holdfast shop: its API, its database and its checks. Settings: holdfast.toml and the environment."""
