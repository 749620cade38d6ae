"""Runs on a terminal: a table of many, and the whole of one."""

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
from msgspec import Raw
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..workflow import RunDetails, RunSummary
from ..workflow.journal import ENDED
from .run_tree import cut, duration, moment, printable, rows, shortened

WIDE = 10_000
"""Columns of what is no terminal: a program that reads wants one line a run."""
COLOURS = {"done": "green", "failed": "red", "compensation_failed": "red", "nondeterministic": "red", "waiting": "cyan"}


def print_runs(runs: Sequence[RunSummary]) -> None:
    """Print a table of runs, the latest first."""
    table = new_table("run", "workflow", "state", "created", "ended or due", "error")
    for run in runs:
        at = run.finished_at or run.due_at
        error = "" if run.error is None else cut(f"{run.error.code}: {run.error.detail}", False)
        cells = [run.id, _workflow(run), state(run), moment(run.created_at), moment(at) if at else "", error]
        table.add_row(*map(Text, cells), style=COLOURS.get(run.status))
    print_all(table)


def print_run(run: RunDetails, *, full: bool) -> None:
    """Print all that is known of a run; `full` shortens no value."""
    facts = Table(box=None, show_header=False, pad_edge=False)
    for name, said in _facts(run, full=full):
        facts.add_row(Text(name), Text(said))
    print_all(facts)
    table = new_table("path", "step", "kind", "state", "attempts", "took", "ended", "value")
    for row in rows(run, full=full):
        path = "  " * row.depth + row.path
        cells = [path, row.step, row.kind, row.state, row.attempts, row.took, row.ended, row.value]
        table.add_row(*(Text(cell, overflow="fold") for cell in cells), style=COLOURS.get(row.state))
    if table.row_count:
        print_all(Text(), table)


def state(run: RunSummary) -> str:
    """Return the state of a run, and what keeps it there."""
    if run.status in ENDED:
        return run.status
    remarks = {
        "to be cancelled": run.cancel_requested,
        "owner dead": run.owner is not None and not run.owner_lives,
        "nobody drives it": run.status == "compensating" and run.owner is None and run.due_at is None,
        # What is being undone needs no body.
        "no code": not run.has_code and run.status != "compensating" and not run.cancel_requested,
    }
    return ", ".join([run.status, *(remark for remark, holds in remarks.items() if holds)])


def _facts(run: RunDetails, *, full: bool) -> Iterator[tuple[str, str]]:
    yield "run", run.id
    yield "workflow", _workflow(run)
    yield "state", state(run)
    yield from _error(run)
    facts = {
        "key": run.key or "",
        "created": _time(run.created_at),
        "due": _time(run.due_at),
        "deadline": _time(run.deadline_at),
        "ended": _time(run.finished_at),
        "owner": _owner(run),
        "taken over": f"{run.takeovers} times" * (run.takeovers > 0),
        "input": shortened(run.input, full),
        "context": cut(msgspec.json.encode(run.context).decode(), full) * bool(run.context),
        "result": shortened(run.result or Raw(), full),
        "signals": ", ".join(run.signals),
    }
    for name, said in facts.items():
        if said:
            yield name, printable(said)


def _time(at: datetime | None) -> str:
    return f"{moment(at)} UTC" if at else ""


def _error(run: RunDetails) -> Iterator[tuple[str, str]]:
    if run.error is None:
        return
    parked = run.status == "nondeterministic"
    yield ("parked" if parked else "error"), printable(f"{run.error.code}: {run.error.detail}")
    if parked:
        for side in ("journal", "body"):
            if side in run.error.data:
                yield f"  {side}", printable(str(run.error.data[side]))


def _owner(run: RunDetails) -> str:
    if run.process is None:
        return f"{run.owner}: gone" if run.owner else ""
    life = "alive" if run.owner_lives else "dead"
    silent = duration(run.process.silent_seconds)
    return f"{run.owner} on {run.process.host}, pid {run.process.pid}: {life}, last beat {silent} ago"


def _workflow(run: RunSummary) -> str:
    return f"{run.workflow} {run.version}"


def new_table(*columns: str) -> Table:
    """Return a table without lines, to be filled."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def print_all(*renderables: Table | Text) -> None:
    """Print to the width of the terminal, else one line a row."""
    console = Console(width=None if sys.stdout.isatty() else WIDE, highlight=False, markup=False, emoji=False)
    for each in renderables:
        console.print(each)
