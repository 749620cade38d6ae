"""`holdfast runs retry`."""

import psycopg
import pytest

from core.app import Application
from core.config import Config, Database

from ..sagas.workflows import ALL, CALLS, CHANGED, STUCK, pack_tomorrow
from .conftest import Holdfast
from .states import as_json, calls, parked, query, stuck, unknown, waiting


async def test_retries_a_parked_run_although_no_other_process_runs(holdfast: Holdfast, url: str):
    id = await parked(url)
    CHANGED.unlink()

    result = holdfast("retry", id)

    assert (result.returncode, result.stdout) == (0, f"run {id} is done\n")
    said = result.stderr.splitlines()
    assert said[0] == f"run {id} was nondeterministic and is tried again"
    assert any(line.startswith("  3 pack transactional done, ") for line in said)
    assert calls() == ["pack glass", "pack silk"]
    assert query(url, "SELECT owner, status FROM workflow_run") == [(None, "done")]
    assert query(url, "SELECT id FROM workflow_process") == []


async def test_a_run_that_is_parked_again_fails_the_command(holdfast: Holdfast, url: str):
    id = await parked(url)
    result = holdfast("retry", id)
    assert result.returncode == 1
    assert result.stdout.startswith(f"run {id} is nondeterministic: input_hash at 1: the journal has ")


async def test_retries_only_the_undos_that_failed(holdfast: Holdfast, url: str):
    id = await stuck(url)
    STUCK.unlink()
    CALLS.unlink()

    result = holdfast("retry", id, "--json")

    run = as_json(result)
    assert (result.returncode, run["id"], run["status"]) == (0, id, "compensated")
    assert calls() == ["unpack glue"]


async def test_an_undo_that_fails_again_is_told(holdfast: Holdfast, url: str):
    id = await stuck(url)
    result = holdfast("retry", id)
    assert result.returncode == 1
    assert result.stdout.startswith(f"run {id} is compensation_failed: ")
    assert "it sticks" in result.stderr


async def test_refuses_to_retry_what_has_ended(holdfast: Holdfast, url: str):
    id = await waiting(url)
    assert holdfast("cancel", id).returncode == 0
    result = holdfast("retry", id)
    assert result.returncode == 1
    assert result.stderr == f"holdfast: run {id} is cancelled: there is nothing to retry\n"


@pytest.mark.parametrize("dispatcher", ["", "tests.core.cli.sagas.workflows:Deaf"])
async def test_drives_a_run_that_nobody_has_begun(
    holdfast: Holdfast, url: str, monkeypatch: pytest.MonkeyPatch, dispatcher: str
):
    monkeypatch.setenv("HOLDFAST_JOBS_DISPATCHER", dispatcher)
    app = Application(Config(database=Database(url=url)), modules=[], workflows=ALL)
    async with app.scope() as scope:
        id = (await pack_tomorrow.start(scope, "lead")).id
    await app.close()

    result = holdfast("retry", id, "--wait", "20")

    assert result.stdout == f"run {id} is waiting\n"
    assert result.stderr.splitlines()[-1].startswith("it goes on at ")
    assert calls() == ["pack lead"]


async def test_takes_up_the_run_that_it_is_asked_for_and_no_other(holdfast: Holdfast, url: str):
    other, asked = await waiting(url), await unknown(url)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE workflow_run SET due_at = now() - interval '1 hour' WHERE id = %s", (other,))
    holdfast("retry", asked, "--wait", "1")  # several beats long
    assert query(url, "SELECT status, epoch FROM workflow_run ORDER BY id")[0] == ("waiting", 1)


async def test_does_not_wait_for_a_run_that_has_nothing_to_do(holdfast: Holdfast, url: str):
    id = await waiting(url)
    result = holdfast("retry", id, "--wait", "50")
    assert (result.returncode, result.stdout) == (0, f"run {id} is waiting\n")
    assert result.stderr.splitlines()[-1] == "it waits for a signal"


async def test_says_that_a_run_has_not_ended_in_time(holdfast: Holdfast, url: str):
    id = await unknown(url)
    result = holdfast("retry", id, "--wait", "0.2")
    assert result.returncode == 0
    assert result.stdout == f"run {id} is waiting, no code\n"
    assert result.stderr.splitlines()[-1] == "it has not ended within 0.2 s, and goes on where a process runs"
