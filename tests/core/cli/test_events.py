"""`holdfast events`, while no other process of the shop runs."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from core.app import Application
from core.cli import main
from core.config import Config

from .chores.work import BROKEN, CALLS, tell_of_chore
from .shops import open_shop

Events = Callable[..., Result]


@pytest.fixture
def url(core_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    open_shop(tmp_path, core_database_url, "chores", monkeypatch)
    return core_database_url


@pytest.fixture
def events(url: str) -> Events:
    """`events(*arguments)` is `holdfast events` with them."""
    return lambda *arguments: CliRunner().invoke(main, ["events", *arguments], prog_name="holdfast")


def work(*told: str) -> None:
    """Be a process of the shop in which these events happen, until nothing is left to do."""

    async def be_a_process() -> None:
        async with Application.load(Config.load()).running() as app, app.scope() as scope:
            for what in told:
                await tell_of_chore.run(scope, what)
            async with asyncio.timeout(20):
                while await scope.session.sql("SELECT id FROM workflow_run WHERE finished_at IS NULL"):  # noqa: ASYNC110, rows
                    await asyncio.sleep(0.02)

    asyncio.run(be_a_process())


def listed(events: Events, *arguments: str) -> list[Any]:
    return json.loads(events("list", "--json", *arguments).stdout)


def states(event: Any) -> dict[str, str]:
    return {delivery["subscriber"]: delivery["status"] for delivery in event["deliveries"]}


def runs(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT status, key IS NOT NULL FROM workflow_run WHERE workflow = 'on:chore.done:ear' ORDER BY id"
        ).fetchall()


def test_says_that_there_are_no_events(events: Events):
    assert events("list").stdout == "There are no events.\n"
    for one in (["--failed"], ["--name", ""], ["--before", "evt_unknown"]):
        assert events("list", *one).stdout == "There are no such events.\n"
    assert listed(events) == []


@pytest.mark.parametrize("command", ["list", "retry"])
def test_explains_itself(events: Events, command: str):
    result = events(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


@pytest.mark.parametrize("arguments", [["list", "--take", "0"], ["list", "--take", "x"], ["retry"], ["list", "evt_1"]])
def test_refuses_what_cannot_be_meant(events: Events, arguments: list[str]):
    result = events(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: holdfast events" in result.stderr


def test_an_event_is_told_with_its_data_and_deliveries_as_json(events: Events):
    BROKEN.write_text("ear")
    work("one")
    [event] = listed(events)
    assert [*event] == ["id", "name", "data", "run_id", "emitted_at", "deliveries"]
    assert event["emitted_at"].endswith("Z")
    ear, eye = event["deliveries"]
    assert [*ear] == [*eye] == ["subscriber", "run_id", "status", "created_at", "finished_at", "error"]
    assert (ear["error"]["code"], ear["error"]["detail"], eye["error"]) == ("test_broken", "ear is broken", None)


def test_a_database_without_tables_is_told_in_one_line(
    events: Events, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    for arguments in (["list", "--json"], ["retry", "evt_1"]):
        result = events(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "holdfast: the database is not migrated: run `holdfast migrate`" in result.stderr


def test_lists_the_latest_events_first_with_their_deliveries(events: Events):
    work("one", "two")
    latest, first = listed(events)
    assert (latest["data"], first["data"], first["name"]) == ("two", "one", "chore.done")
    assert states(first) == {"ear": "done", "eye": "done"}
    assert first["id"] == f"{first['run_id']}:1:1"
    assert listed(events, "--before", latest["id"]) == [first]
    assert listed(events, "--take", "1") == [latest]
    assert listed(events, "--name", "chore.done") == [latest, first]
    assert listed(events, "--name", "other") == []
    heading, one, other, *_ = events("list").stdout.splitlines()
    assert heading.split()[:4] == ["event", "name", "emitted", "subscriber"]
    assert one.startswith(latest["id"])
    assert other.split()[:2] == ["eye", "done"]


def test_a_failed_delivery_is_listed_and_delivered_anew_alone(events: Events, url: str):
    BROKEN.write_text("ear")
    work("one")
    BROKEN.unlink()
    work("two")
    [failed] = listed(events, "--failed")
    assert (failed["data"], states(failed)) == ("one", {"ear": "failed", "eye": "done"})
    assert "test_broken: ear is broken" in events("list", "--failed").stdout

    result = events("retry", failed["id"])
    assert (result.exit_code, result.stdout.count("\n")) == (0, 1)
    assert f"event {failed['id']} goes to ear anew: run run_" in result.stdout
    assert states(listed(events)[1]) == {"ear": "queued", "eye": "done"}
    work()
    assert listed(events, "--failed") == []
    assert sorted(CALLS.read_text().split()) == ["ear", "ear", "eye", "eye"]
    # The failed run stays to be looked at, without the key; a delivery is never made twice for one key.
    assert runs(url) == [("failed", False), ("done", True), ("done", True)]


def test_a_delivery_that_failed_by_an_error_of_python_is_listed_too(events: Events):
    BROKEN.mkdir()  # where a file should be
    work("one")
    [failed] = listed(events, "--failed")
    assert states(failed) == {"ear": "failed", "eye": "failed"}
    assert "IsADirectoryError" in events("list").stdout
    BROKEN.rmdir()
    assert events("retry", failed["id"]).exit_code == 0
    work()
    assert states(listed(events)[0]) == {"ear": "done", "eye": "done"}


def test_delivers_anew_to_one_subscriber_of_several(events: Events):
    BROKEN.write_text("ear eye")
    work("one")
    [failed] = listed(events, "--failed")
    again = json.loads(events("retry", failed["id"], "--subscriber", "eye", "--json").stdout)
    assert [*again] == ["eye"]
    assert states(listed(events)[0]) == {"ear": "failed", "eye": "queued"}
    work()
    assert states(listed(events, "--failed")[0]) == {"ear": "failed", "eye": "failed"}
    assert [*json.loads(events("retry", failed["id"], "--json").stdout)] == ["ear", "eye"]


def test_delivers_nothing_anew_that_has_arrived_or_is_on_its_way(events: Events):
    BROKEN.write_text("ear")
    work("one")
    [failed] = listed(events)
    refused = events("retry", failed["id"], "--subscriber", "eye")
    assert refused.exit_code == 1
    assert "no delivery of event" in refused.stderr
    assert "eye is done" in refused.stderr
    assert events("retry", failed["id"]).exit_code == 0
    refused = events("retry", failed["id"])
    assert (refused.exit_code, "ear is queued" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evt_unknown"], "there is no event 'evt_unknown'"),
        ([""], "there is no event ''"),
        (["\0"], "there is no event"),
        (["x" * 10_000], "there is no event"),
        (["EVENT", "--subscriber", "nose"], "was not for a subscriber 'nose'"),
        (["EVENT", "--subscriber", ""], "was not for a subscriber ''"),
    ],
)
def test_refuses_what_there_is_not(events: Events, arguments: list[str], said: str):
    BROKEN.write_text("ear")
    work("one")
    [event] = listed(events)
    result = events("retry", *(event["id"] if each == "EVENT" else each for each in arguments))
    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr) < 500
