import json
from pathlib import Path

import psycopg
import pytest

from core.db.embedded import EmbeddedValkey

from .conftest import SECRET, Holdfast

Levels = dict[str, str]


def examine(holdfast: Holdfast, *options: str, **environment: str) -> tuple[Levels, Levels, int]:
    """Return the level and the text of each finding, and the exit code."""
    result = holdfast("doctor", "--json", *options, **environment)
    findings = json.loads(result.stdout)
    levels = {finding["name"]: finding["level"] for finding in findings}
    return levels, {finding["name"]: finding["detail"] for finding in findings}, result.exit_code


def test_finds_a_well_set_up_shop_well(holdfast: Holdfast, toys_database_url: str, servers_folder: Path):
    with EmbeddedValkey(servers_folder) as redis_url:
        levels, details, code = examine(
            holdfast, DATABASE_URL=toys_database_url, HOLDFAST_SECRET=SECRET, REDIS_URL=redis_url
        )

    names = ["configuration", "secrets", "time zones", "redis", "database", "clock", "migrations", "clock offset"]
    assert levels == dict.fromkeys(names, "ok"), details
    assert code == 0


def test_prints_a_line_for_each_finding(holdfast: Holdfast, toys_database_url: str):
    result = holdfast("doctor", DATABASE_URL=toys_database_url)

    lines = result.stdout.splitlines()
    assert "FAIL  secrets       HOLDFAST_SECRET is not set" in lines
    assert "ok    migrations    all applied" in lines
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("name", "level", "detail", "environment"),
    [
        ("secrets", "fail", "not set", {"HOLDFAST_SECRET": ""}),
        ("secrets", "warn", "shorter", {"HOLDFAST_SECRET": "short"}),
        ("time zones", "fail", "Europe/Nowhere", {"HOLDFAST_SHOP_TIMEZONE": "Europe/Nowhere"}),
        ("time zones", "fail", "../zone", {"HOLDFAST_SHOP_TIMEZONE": "../zone"}),
        ("time zones", "fail", "localtime", {"HOLDFAST_SHOP_TIMEZONE": "localtime"}),
        ("redis", "warn", "not set", {"REDIS_URL": ""}),
        ("redis", "warn", "does not answer", {"REDIS_URL": "redis://127.0.0.1:1/0"}),
        ("database", "fail", "away", {"DATABASE_URL": "postgresql://holdfast@127.0.0.1:1/holdfast"}),
        ("configuration", "fail", "no database", {"DATABASE_URL": ""}),
        ("configuration", "fail", "beat_seconds", {"HOLDFAST_ENGINE_BEAT_SECONDS": "soon"}),
    ],
)
def test_finds_what_is_wrong_with_the_settings(
    holdfast: Holdfast, toys_database_url: str, name: str, level: str, detail: str, environment: dict[str, str]
):
    usual = {"DATABASE_URL": toys_database_url, "HOLDFAST_SECRET": SECRET}

    levels, details, code = examine(holdfast, **(usual | environment))

    assert levels[name] == level
    assert detail in details[name]
    assert code == (level == "fail")


@pytest.mark.parametrize(
    ("name", "level", "detail", "statement"),
    [
        ("migrations", "fail", "toys_0001", "DELETE FROM alembic_version WHERE version_num = 'toys_0001'"),
        ("migrations", "warn", "metadata", "ALTER TABLE toy DROP COLUMN metadata"),
        ("clock offset", "fail", "1:00:00", "INSERT INTO clock_offset (moved_by) VALUES ('1 hour')"),
    ],
)
def test_finds_what_is_wrong_in_the_database(
    holdfast: Holdfast, toys_database_url: str, name: str, level: str, detail: str, statement: str
):
    with psycopg.connect(toys_database_url) as connection:
        connection.execute(statement.encode())

    levels, details, code = examine(holdfast, DATABASE_URL=toys_database_url, HOLDFAST_SECRET=SECRET)

    assert levels[name] == level
    assert detail in details[name]
    assert code == (level == "fail")


def test_runs_the_integrity_checks_of_every_module_when_asked(holdfast: Holdfast, toys_database_url: str):
    environment = {"DATABASE_URL": toys_database_url, "HOLDFAST_SECRET": SECRET}
    assert "toys: names" not in examine(holdfast, **environment)[0]
    assert examine(holdfast, "--integrity", **environment)[0]["toys: names"] == "ok"
    with psycopg.connect(toys_database_url) as connection:
        connection.execute("INSERT INTO toy (id, name, created_at, updated_at) VALUES ('toy_1', '', now(), now())")

    levels, details, code = examine(holdfast, "--integrity", **environment)

    assert levels["toys: names"] == "fail"
    assert details["toys: names"] == "toy_1 has no name"
    assert code == 1
