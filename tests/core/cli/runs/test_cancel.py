"""`holdfast runs cancel`."""

import asyncio

import psycopg

from ..sagas.workflows import CALLS, OPEN, pack_and_pass
from .conftest import Holdfast
from .states import as_json, calls, query, shop, stuck, until, waiting


async def test_cancels_a_run_once(holdfast: Holdfast, url: str):
    id = await waiting(url)

    result = holdfast("cancel", id)

    assert (result.returncode, result.stdout) == (0, f"run {id} is cancelled: run {id} was cancelled\n")
    assert calls() == ["pack glass", "unpack glass"]
    again = holdfast("cancel", id, "--json")
    assert (again.returncode, as_json(again)["status"]) == (0, "cancelled")
    assert again.stderr == f"run {id} was cancelled: there is nothing to undo\n"
    assert calls() == ["pack glass", "unpack glass"]


async def test_cancels_a_run_whose_process_died(holdfast: Holdfast, url: str):
    id = await waiting(url)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE workflow_run SET status = 'running', owner = 'proc_dead', due_at = NULL")
    assert "running, owner dead" in holdfast("list").stdout
    assert holdfast("cancel", id).stdout.startswith(f"run {id} is cancelled")
    assert calls() == ["pack glass", "unpack glass"]


async def test_waits_until_the_process_that_drives_a_run_has_undone_it(holdfast: Holdfast, url: str):
    async with shop(url) as scope:
        id = (await pack_and_pass.start(scope, "glass")).id
        await until(lambda: CALLS.exists() and "at the gate" in calls())
        command = asyncio.create_task(asyncio.to_thread(holdfast, "cancel", id, "--wait", "30"))
        await until(lambda: query(url, "SELECT cancel_requested FROM workflow_run") == [(True,)])
        OPEN.touch()
        result = await command
    assert result.stdout.startswith(f"run {id} is cancelled")
    assert calls() == ["pack glass", "at the gate", "unpack glass"]
    assert query(url, "SELECT takeovers FROM workflow_run") == [(0,)]


async def test_only_asks_if_it_is_not_to_wait(holdfast: Holdfast, url: str):
    id = await waiting(url)
    result = holdfast("cancel", id, "--wait", "0")
    assert (result.returncode, result.stdout) == (0, f"run {id} is waiting, to be cancelled\n")
    assert calls() == ["pack glass"]


async def test_says_that_a_run_could_not_be_undone(holdfast: Holdfast, url: str):
    id = await stuck(url)
    result = holdfast("cancel", id)
    assert result.returncode == 1
    assert f"run {id} could not be undone: `retry` repeats the undos that failed" in result.stderr
