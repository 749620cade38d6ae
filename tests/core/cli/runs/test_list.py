"""`holdfast runs list`."""

import asyncio
import json
from collections.abc import Callable

import psycopg
from click.testing import Result

from .conftest import Holdfast
from .states import as_json, stuck, unknown, waiting


def test_says_that_there_are_no_runs(inside: Callable[..., Result]):
    assert inside("list").stdout == "There are no runs.\n"
    assert inside("list", "--status", "done").stdout == "There are no such runs.\n"
    assert json.loads(inside("list", "--json").stdout) == []


async def test_lists_the_latest_runs_first(holdfast: Holdfast, url: str):
    waits = await waiting(url)
    failed = await stuck(url)

    lines = holdfast("list").stdout.splitlines()

    assert lines[0].split() == ["run", "workflow", "state", "created", "ended", "or", "due", "error"]
    assert lines[1].split()[:4] == [failed, "pack-then-fail", "1", "compensation_failed"]
    assert lines[1].rstrip().endswith("workflow_failed: workflow pack-then-fail failed: ValueErr...")
    assert lines[2].split()[:4] == [waits, "pack-when-told", "1", "waiting"]
    listed = as_json(holdfast("list", "--json"))
    assert [(run["id"], run["status"], run["has_code"]) for run in listed] == [
        (failed, "compensation_failed", True),
        (waits, "waiting", True),
    ]


async def test_lists_those_that_are_asked_for(inside: Callable[..., Result], url: str):
    first, second = await waiting(url), await waiting(url)
    third = await stuck(url)

    async def ids(*options: str) -> list[str]:
        listed = await asyncio.to_thread(inside, "list", "--json", *options)
        return [run["id"] for run in json.loads(listed.stdout)]

    assert await ids("--status", "waiting") == [second, first]
    assert await ids("--workflow", "pack-then-fail") == [third]
    assert await ids("--take", "1") == [third]
    assert await ids("--before", second) == [first]
    assert (await asyncio.to_thread(inside, "list", "--status", "asleep")).exit_code == 2


async def test_says_that_a_run_has_no_code_here(holdfast: Holdfast, url: str):
    id = await unknown(url)
    [line] = [line for line in holdfast("list").stdout.splitlines() if id in line]
    assert "waiting, no code" in line
    assert "waiting, no code" in holdfast("show", id).stdout


def test_says_that_nobody_undoes_a_run(inside: Callable[..., Result], url: str):
    asyncio.run(stuck(url))
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE workflow_run SET status = 'compensating', owner = NULL, due_at = NULL")
    assert "compensating, nobody drives it" in inside("list").stdout
