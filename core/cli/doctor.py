"""`holdfast doctor`."""

import asyncio

import click
import msgspec
from rich_click import RichCommand

from .examination import examine
from .findings import Finding

MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@click.command(cls=RichCommand)
@click.option("--integrity", is_flag=True, help="Also check the data itself, with the checks of every module.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(*, integrity: bool, as_json: bool) -> None:
    """Examine configuration, database, migrations, Redis, secrets, clock and time zones; exit 1 if one fails."""
    findings = asyncio.run(examine(integrity=integrity))
    click.echo(msgspec.json.encode(findings).decode() if as_json else "\n".join(map(_line, findings)))
    if any(finding.level == "fail" for finding in findings):
        raise SystemExit(1)


def _line(finding: Finding) -> str:
    return f"{MARKS[finding.level]}  {finding.name:<14}{finding.detail}"
