"""`holdfast runs show`."""

import asyncio

from ..sagas.workflows import pack_all, pack_tomorrow, pack_when_told
from .conftest import Holdfast
from .states import as_json, parked, rest, shop, stuck, waiting


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


async def test_nothing_that_is_stored_reaches_the_terminal_as_a_command(holdfast: Holdfast, url: str):
    async with shop(url) as scope:
        await pack_when_told.start(scope, "\x1b[31m[red]", key="\x1b]0;owned\x07")
        [(id,)] = await scope.session.sql("SELECT id FROM workflow_run")
    shown = holdfast("show", str(id)).stdout
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert r"\x1b]0;owned\x07" in shown
    assert "[red]" in shown
