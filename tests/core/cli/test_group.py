from pathlib import Path

import pytest

from .conftest import SECRET, Holdfast


def test_lists_its_own_commands_and_those_of_the_modules(holdfast: Holdfast, toys_database_url: str):
    told = holdfast("--help", DATABASE_URL=toys_database_url).stdout

    for command in ("api", "dev", "doctor", "exec", "links", "migrate", "query", "smoke", "Play with the toys"):
        assert command in told


def test_runs_a_command_of_a_module(holdfast: Holdfast, toys_database_url: str):
    assert holdfast("play", DATABASE_URL=toys_database_url).stdout == "playing\n"


@pytest.mark.parametrize("command", ["api", "dev", "doctor", "exec", "links", "migrate", "query", "smoke"])
def test_every_command_explains_itself(holdfast: Holdfast, command: str):
    told = holdfast(command, "--help")

    assert told.exit_code == 0
    assert f"holdfast {command}" in told.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "show"],
        ["runs", "list", "--workflow"],
        ["events", "list", "--name"],
        ["events", "retry"],
        ["jobs", "run"],
    ],
    ids=" ".join,
)
def test_refuses_bytes_that_are_no_text(holdfast: Holdfast, toys_database_url: str, arguments: list[str]):
    result = holdfast(*arguments, "\udcff", DATABASE_URL=toys_database_url)

    assert result.exit_code == 2
    assert "is no UTF-8 text" in result.stderr


def test_tells_its_version(holdfast: Holdfast):
    assert holdfast("--version").stdout.startswith("holdfast ")


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["migrate"], {}, "no database: set DATABASE_URL, or use `holdfast dev`, which brings its own"),
        (["migrate"], {"DATABASE_URL": "mysql://nowhere/x"}, "mysql is not PostgreSQL"),
        (["api"], {}, "HOLDFAST_SECRET is not set: give all processes of the shop the same long random text"),
        (
            ["api"],
            {"HOLDFAST_SECRET": SECRET},
            "no database: set DATABASE_URL, or use `holdfast dev`, which brings its own",
        ),
        (["smoke", "--url", "ftp://x"], {}, "'ftp://x' is not an http address"),
    ],
)
def test_says_in_one_line_what_is_wrong(
    holdfast: Holdfast, arguments: list[str], environment: dict[str, str], message: str
):
    result = holdfast(*arguments, **environment)

    assert result.stderr == f"holdfast: {message}\n"
    assert result.exit_code == 1


def test_says_in_one_line_that_the_database_is_away_and_why(holdfast: Holdfast):
    result = holdfast("migrate", DATABASE_URL="postgresql://holdfast@127.0.0.1:1/holdfast")

    assert result.stderr.startswith("holdfast: the database is away (connection ")
    assert result.stderr.count("\n") == 1
    assert result.exit_code == 1


def test_says_in_one_line_that_there_is_no_shop_here(holdfast: Holdfast, tmp_path: Path):
    (tmp_path / "holdfast.toml").unlink()

    result = holdfast("migrate")

    assert result.stderr == "holdfast: holdfast.toml not found: run this in the project's root folder\n"
