"""`holdfast jobs`, while no other process of the shop runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from core.cli import main

from .chores.work import BROKEN, CALLS
from .shops import open_shop

Jobs = Callable[..., Result]


@pytest.fixture
def url(core_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    open_shop(tmp_path, core_database_url, "chores", monkeypatch)
    return core_database_url


@pytest.fixture
def jobs(url: str) -> Jobs:
    """`jobs(*arguments)` is `holdfast jobs` with them."""
    return lambda *arguments: CliRunner().invoke(main, ["jobs", *arguments], prog_name="holdfast")


def listed(jobs: Jobs) -> dict[str, Any]:
    [found] = [each for each in json.loads(jobs("list", "--json").stdout) if each["id"] == "sweep-floor"]
    return found


def runs(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT workflow, status, key FROM workflow_run ORDER BY id").fetchall()


def test_lists_jobs_that_never_ran(jobs: Jobs):
    found = listed(jobs)
    assert (found["cron"], found["timezone"], found["last_status"]) == ("* * * * * *", "Europe/Vienna", None)
    assert found["next_tick_at"].endswith("Z")
    heading, *rows = jobs("list").stdout.splitlines()
    assert heading.split()[:2] == ["job", "cron"]
    [row] = [row for row in rows if row.startswith("sweep-floor")]
    assert "Europe/Vienna" in row


@pytest.mark.parametrize("command", ["list", "run"])
def test_explains_itself(jobs: Jobs, command: str):
    result = jobs(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


@pytest.mark.parametrize("arguments", [["run"], ["run", "sweep-floor", "twice"], ["list", "sweep-floor"]])
def test_refuses_what_cannot_be_meant(jobs: Jobs, url: str, arguments: list[str]):
    result = jobs(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: holdfast jobs" in result.stderr
    assert runs(url) == []


def test_a_database_without_tables_is_told_in_one_line(
    jobs: Jobs, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    for arguments in (["list", "--json"], ["run", "sweep-floor"]):
        result = jobs(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "holdfast: the database is not migrated: run `holdfast migrate`" in result.stderr


def test_a_job_is_told_with_its_last_run_as_json(jobs: Jobs):
    ended = json.loads(jobs("run", "sweep-floor", "--json").stdout)
    found = listed(jobs)
    assert [*found] == [
        "id",
        "cron",
        "timezone",
        "next_tick_at",
        "last_tick_at",
        "last_run_id",
        "last_status",
        "last_started_at",
        "last_finished_at",
    ]
    assert (found["last_run_id"], found["last_status"]) == (ended["id"], "done")
    assert (found["last_started_at"], found["last_finished_at"]) == (ended["created_at"], ended["finished_at"])
    assert [entry["step"] for entry in ended["entries"] if entry["kind"] == "external"] == ["do-chore"]


def test_runs_a_job_to_its_end_and_says_what_it_does(jobs: Jobs, url: str):
    result = jobs("run", "sweep-floor")
    assert result.exit_code == 0
    assert result.stdout.endswith("of sweep-floor is done\n")
    assert "do-chore external done" in result.stderr
    assert CALLS.read_text() == "sweep\n"
    assert runs(url) == [("sweep-floor", "done", None)]
    assert listed(jobs)["last_status"] == "done"
    [row] = [row for row in jobs("list").stdout.splitlines() if row.startswith("sweep-floor")]
    assert " done " in row


def test_says_so_when_a_job_fails(jobs: Jobs):
    BROKEN.write_text("sweep")
    result = jobs("run", "sweep-floor")
    assert result.exit_code == 1
    assert "sweep-floor is failed: sweep is broken" in result.stdout
    assert listed(jobs)["last_status"] == "failed"
    result = jobs("run", "sweep-floor", "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]["code"]) == (1, "test_broken")


def test_leaves_a_job_to_the_workers_when_told_so(jobs: Jobs, url: str):
    found = json.loads(jobs("run", "sweep-floor", "--no-wait", "--json").stdout)
    assert found["status"] == "queued"
    assert runs(url) == [("sweep-floor", "queued", None)]
    assert not CALLS.exists()


def test_does_not_run_a_job_beside_itself(jobs: Jobs, url: str):
    jobs("run", "sweep-floor", "--no-wait")
    result = jobs("run", "sweep-floor")
    assert result.exit_code == 1
    assert result.stderr.startswith("holdfast: job sweep-floor is at work: run run_")
    assert len(runs(url)) == 1


@pytest.mark.parametrize("name", ["no-such-job", "tell-of-chore", "", "\x00", "x" * 10_000])
def test_refuses_what_is_no_job(jobs: Jobs, url: str, name: str):
    result = jobs("run", name)
    assert result.exit_code == 1
    assert result.stderr.startswith("holdfast: no job ")
    assert "sweep-floor" in result.stderr
    assert len(result.stderr) < 500
    assert runs(url) == []
