"""`holdfast runs`, as a process of its own, while no other process of the shop runs."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from core.app import Application
from core.cli import main
from core.config import Config, Database, Engine
from core.container import Scope
from core.errors import HoldfastError
from core.workflow import Run, Runs, workflow

from .sagas.workflows import (
    ALL,
    CALLS,
    CHANGED,
    OPEN,
    STUCK,
    pack,
    pack_all,
    pack_and_pass,
    pack_then_fail,
    pack_tomorrow,
    pack_when_told,
)

ROOT = Path(__file__).parents[3]
PLUGIN = "[holdfast.plugins]\nsagas = tests.core.cli.sagas\n"
CLOCKWORK = {"BEAT_SECONDS": "0.2", "LEASE_SECONDS": "1", "UNDO_ATTEMPTS": "1", "GRACE_SECONDS": "1"}

Holdfast = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a shop whose workflows are those of an installed plugin."""
    (tmp_path / "holdfast.toml").write_text('plugins = ["sagas"]\n')
    installed = tmp_path / "sagas-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: sagas\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


@pytest.fixture
def url(core_database_url: str) -> str:
    return core_database_url


@pytest.fixture
def holdfast(url: str, monkeypatch: pytest.MonkeyPatch) -> Holdfast:
    """`holdfast(*arguments)` runs the command to its end."""
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name, value in CLOCKWORK.items():
        monkeypatch.setenv(f"HOLDFAST_ENGINE_{name}", value)

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "core.cli", "runs", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    return run


@asynccontextmanager
async def shop(url: str, *more: Any) -> AsyncGenerator[Scope]:
    """A process of the shop, for as long as the block lasts."""
    engine = Engine(beat_seconds=0.2, lease_seconds=1, grace_seconds=1, undo_attempts=1)
    config = Config(database=Database(url=url, pool_size=5), engine=engine)
    app = Application(config, modules=[], workflows=[*ALL, *more])
    async with app.running(), app.scope() as scope:
        yield scope


@pytest.fixture
def inside(holdfast: Holdfast) -> Callable[..., Result]:
    """The same, in this process: where the command only reads."""
    return lambda *arguments: CliRunner().invoke(main, ["runs", *arguments], prog_name="holdfast")


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def calls() -> list[str]:
    return CALLS.read_text().split("\n")[:-1]


def as_json(result: "subprocess.CompletedProcess[str]") -> Any:
    return json.loads(result.stdout)


async def rest(scope: Scope, run: Run[Any], status: str) -> str:
    """Wait until a run is in a state; return its id."""
    for _ in range(500):
        if (await scope.resolve(Runs).retrieve(run.id)).status == status:
            return run.id
        await scope.session.sql("SELECT pg_sleep(0.02)")
    raise TimeoutError(status)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110, files and rows
            await asyncio.sleep(0.02)


async def waiting(url: str, what: str = "glass") -> str:
    """A run that packs, and then waits for a signal."""
    async with shop(url) as scope:
        return await rest(scope, await pack_when_told.start(scope, what), "waiting")


async def parked(url: str, what: str = "glass") -> str:
    """A run whose body was changed while it waited."""
    id = await waiting(url, what)
    CHANGED.touch()
    async with shop(url) as scope:
        await scope.resolve(Runs).signal(id, "next", "silk")
        for _ in range(500):
            if (await scope.resolve(Runs).retrieve(id)).status == "nondeterministic":
                return id
            await scope.session.sql("SELECT pg_sleep(0.02)")
    raise TimeoutError


async def stuck(url: str) -> str:
    """A run of which one of three undos failed."""
    STUCK.touch()
    async with shop(url) as scope:
        with suppress(HoldfastError):
            await pack_then_fail.run(scope, ["wood", "glue", "wool"])
        [(id,)] = await scope.session.sql("SELECT id FROM workflow_run WHERE status = 'compensation_failed'")
        return str(id)


async def unknown(url: str, status: str = "waiting") -> str:
    """A run of a workflow that the command does not have, although it has its steps."""

    @workflow("pack-of-old", version=3)
    async def pack_of_old(what: str) -> None:
        await pack(what)
        await pack_when_told(what)

    async with shop(url, pack_of_old) as scope:
        return await rest(scope, await pack_of_old.start(scope, "lace"), status)


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


async def test_shows_the_steps_as_a_tree(holdfast: Holdfast, url: str):
    async with shop(url) as scope:
        await pack_all.run(scope, ["salt", "silk", "x" * 80], context={"actor": "ann"})
        [(id,)] = await scope.session.sql("SELECT id FROM workflow_run")

    shown = holdfast("show", str(id)).stdout
    lines = [line.split() for line in shown.splitlines()]
    start = lines.index(["path", "step", "kind", "state", "attempts", "took", "ended", "value"])
    assert [(line[0], line[1], line[2], line[3]) for line in lines[start + 1 :]] == [
        ("1", "pack-one", "child", "done"),
        ("1.1", "pack", "transactional", "done"),
        ("1.2", "packed", "hook", "done"),
        ("1.2.1", "weigh", "transactional", "done"),
        ("2", "parallel", "parallel", "done"),
        ("2.1", "pack", "transactional", "done"),
        ("2.2", "pack", "transactional", "done"),
        ("3", "ship", "external", "done"),
    ]
    rows = shown.splitlines()[start + 1 :]
    assert [len(row) - len(row.lstrip()) for row in rows] == [0, 2, 2, 4, 0, 2, 2, 0]
    assert rows[1].rstrip().endswith('"salt"')
    assert rows[6].rstrip().endswith(f'"{"x" * 56}...')
    facts = {line[0]: line[1:] for line in lines[: start - 1]}
    assert facts["state"] == ["done"]
    assert facts["context"] == ['{"actor":"ann"}']
    assert facts["result"][0] == '"parcel'
    full = holdfast("show", str(id), "--full").stdout
    assert "x" * 80 in full
    assert 'undo with "salt"' in full
    assert 'undo with "salt"' not in shown


async def test_shows_a_run_as_json(holdfast: Holdfast, url: str):
    id = await waiting(url)
    shown = as_json(holdfast("show", id, "--json"))
    assert (shown["id"], shown["status"], shown["input"], shown["process"]) == (id, "waiting", "glass", None)
    assert [(entry["path"], entry["kind"]) for entry in shown["entries"]] == [
        ("1", "transactional"),
        ("2:begun", "begun"),
    ]


async def test_shows_what_a_run_waits_for(holdfast: Holdfast, url: str):
    id = await waiting(url)
    async with shop(url) as scope:
        dozing = await rest(scope, await pack_tomorrow.start(scope, "wax"), "waiting")
    assert ["2", "wait:next", "wait", "waiting"] in [line.split() for line in holdfast("show", id).stdout.splitlines()]
    [line] = [line.split() for line in holdfast("show", dozing).stdout.splitlines() if "sleep" in line]
    assert line[:5] == ["2", "sleep", "sleep", "waiting", "until"]


async def test_shows_who_drives_a_run_and_whether_it_lives(holdfast: Holdfast, url: str):
    id = await waiting(url)
    async with shop(url) as scope:
        [(owner,)] = await scope.session.sql("SELECT id FROM workflow_process")
        async with scope.transaction():
            await scope.session.sql("UPDATE workflow_run SET status = 'compensation_failed', owner = %s", (owner,))
        alive = (await asyncio.to_thread(holdfast, "show", id)).stdout  # the heart goes on beating
        assert as_json(await asyncio.to_thread(holdfast, "list", "--json"))[0]["owner_lives"]
    assert f"owner     {owner} on " in alive
    assert ": alive, last beat " in alive
    assert f"owner     {owner}: gone" in holdfast("show", id).stdout


async def test_shows_both_sides_of_why_a_run_is_parked(holdfast: Holdfast, url: str):
    id = await parked(url)
    shown = as_json(holdfast("show", id, "--json"))["error"]["data"]
    assert (shown["path"], shown["field"]) == ("1", "input_hash")
    lines = [line.split() for line in holdfast("show", id).stdout.splitlines()]
    [why] = [line for line in lines if line[:1] == ["parked"]]
    assert why[1:5] == ["nondeterministic:", "input_hash", "at", "1:"]
    assert ["journal", shown["journal"]] in lines
    assert ["body", shown["body"]] in lines
    assert shown["journal"] != shown["body"]


async def test_shows_undos_and_which_of_them_failed(holdfast: Holdfast, url: str):
    id = await stuck(url)
    lines = [line.split() for line in holdfast("show", id).stdout.splitlines()]
    undos = [(line[0], line[3]) for line in lines if line[2:3] == ["undo"]]
    assert undos == [("1:undo", "done"), ("2:undo", "failed"), ("3:undo", "done")]
    assert any("ValueError: it sticks" in " ".join(line) for line in lines)


@pytest.mark.parametrize("command", ["show", "retry", "cancel", "compensate"])
def test_says_that_there_is_no_such_run(inside: Callable[..., Result], command: str):
    result = inside(command, "run_none")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "holdfast: there is no run run_none\n")


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


async def test_gives_up_a_parked_run(holdfast: Holdfast, url: str):
    id = await parked(url)
    result = holdfast("compensate", id)
    assert result.returncode == 0
    assert result.stdout.startswith(f"run {id} is compensated: ")
    assert calls() == ["pack glass", "unpack glass"]


async def test_gives_up_a_run_that_has_no_code(holdfast: Holdfast, url: str):
    id = await unknown(url)
    assert holdfast("compensate", id).stdout.startswith(f"run {id} is compensated: ")
    assert calls() == ["pack lace", "pack lace", "unpack lace", "unpack lace"]


async def test_takes_up_the_run_that_it_is_asked_for_and_no_other(holdfast: Holdfast, url: str):
    other, asked = await waiting(url), await unknown(url)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE workflow_run SET due_at = now() - interval '1 hour' WHERE id = %s", (other,))
    holdfast("retry", asked, "--wait", "1")  # several beats long
    assert query(url, "SELECT status, epoch FROM workflow_run ORDER BY id")[0] == ("waiting", 1)


async def test_only_asks_if_it_is_not_to_wait(holdfast: Holdfast, url: str):
    id = await waiting(url)
    result = holdfast("cancel", id, "--wait", "0")
    assert (result.returncode, result.stdout) == (0, f"run {id} is waiting, to be cancelled\n")
    assert calls() == ["pack glass"]


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


async def test_nothing_that_is_stored_reaches_the_terminal_as_a_command(holdfast: Holdfast, url: str):
    async with shop(url) as scope:
        await pack_when_told.start(scope, "\x1b[31m[red]", key="\x1b]0;owned\x07")
        [(id,)] = await scope.session.sql("SELECT id FROM workflow_run")
    shown = holdfast("show", str(id)).stdout
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert r"\x1b]0;owned\x07" in shown
    assert "[red]" in shown


@pytest.mark.parametrize("command", ["list", "show", "retry", "cancel", "compensate"])
def test_explains_itself(inside: Callable[..., Result], command: str):
    result = inside(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout
