import json
from pathlib import Path

import psycopg
import pytest

from .conftest import SECRET, Holdfast

ROOT = Path(__file__).parents[3]
STALE = """
CREATE TABLE link_old (id text);
INSERT INTO link_definition VALUES ('link_old', '{"columns": {}, "references": {}, "unique": []}')"""
PAIRS = """
INSERT INTO customer (id, created_at, updated_at) VALUES ('cus_1', now(), now());
INSERT INTO "order" (id, currency_code, total, created_at, updated_at)
    SELECT 'order_' || number, 'usd', 0, now(), now() FROM generate_series(1, 3) number;
INSERT INTO link_order_customer (order_id, customer_id, created_at, updated_at, deleted_at)
    SELECT id, 'cus_1', now(), now(), CASE id WHEN 'order_3' THEN now() END FROM "order" """


@pytest.fixture
def shop(holdfast: Holdfast, database_url: str, tmp_path: Path) -> Holdfast:
    """`holdfast` in a folder with the whole shop."""
    (tmp_path / "holdfast.toml").write_text((ROOT / "holdfast.toml").read_text())
    return lambda *arguments: holdfast(*arguments, DATABASE_URL=database_url, HOLDFAST_SECRET=SECRET)


def run(url: str, statements: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statements.encode())


def test_lists_the_links_with_their_live_pairs(shop: Holdfast, database_url: str):
    run(database_url, PAIRS)

    listed = {link["name"]: link for link in json.loads(shop("links", "list", "--json").stdout)}

    assert listed["order_customer"] == {
        "name": "order_customer",
        "left": "customer.orders",
        "right": "order.customer",
        "table": "link_order_customer",
        "extra_columns": [],
        "live_pairs": 2,
    }
    assert listed["booking_order"]["live_pairs"] == 0


def test_lists_the_links_readably(shop: Holdfast, database_url: str):
    run(database_url, PAIRS)

    lines = shop("links", "list").stdout.splitlines()

    assert lines[0].split() == ["link", "left", "right", "table", "extra", "columns", "live", "pairs"]
    [orders] = [line.split() for line in lines if line.startswith("order_customer")]
    assert orders == ["order_customer", "customer.orders", "order.customer", "link_order_customer", "2"]


def test_says_that_there_are_no_links(holdfast: Holdfast, toys_database_url: str):
    assert holdfast("links", "list", DATABASE_URL=toys_database_url).stdout == "There are no links.\n"
    assert holdfast("links", "list", "--json", DATABASE_URL=toys_database_url).stdout == "[]\n"


def test_says_that_the_database_is_not_migrated(shop: Holdfast, database_url: str):
    run(database_url, "DROP TABLE link_order_customer")

    result = shop("links", "list")

    assert result.stderr.startswith("holdfast: the database is not migrated: run `holdfast migrate`")
    assert result.exit_code == 1


def test_migrate_makes_the_tables_of_links_last(holdfast: Holdfast, empty_database_url: str, tmp_path: Path):
    (tmp_path / "holdfast.toml").write_text((ROOT / "holdfast.toml").read_text())

    lines = holdfast("migrate", DATABASE_URL=empty_database_url).stdout.splitlines()

    assert lines[0] == "applied core_0001"
    made = [line for line in lines if line.startswith("applied: create link_")]
    assert made
    assert lines[-len(made) - 1 :] == [*made, "The database is up to date."]


def test_migrate_lists_a_table_that_no_link_has_and_drops_it_when_allowed(shop: Holdfast, database_url: str):
    run(database_url, STALE)

    checked = shop("migrate", "--check")
    assert checked.stdout.splitlines() == ["needs --allow-destructive: drop link_old", "The database is up to date."]
    assert checked.exit_code == 0
    listed = shop("migrate").stdout.splitlines()
    assert listed == ["not done without --allow-destructive: drop link_old", "The database is up to date."]

    dropped = shop("migrate", "--allow-destructive").stdout.splitlines()
    assert dropped == ["applied: drop link_old", "The database is up to date."]
    assert shop("migrate", "--check").stdout == "The database is up to date.\n"


def test_check_fails_where_the_table_of_a_link_is_missing(shop: Holdfast, database_url: str):
    run(database_url, "DROP TABLE link_order_customer; DELETE FROM link_definition WHERE table_name LIKE '%order_cus%'")

    checked = shop("migrate", "--check")

    assert checked.stdout.splitlines() == ["not applied: create link_order_customer"]
    assert checked.exit_code == 1


def test_the_doctor_runs_the_checks_of_links_when_asked(shop: Holdfast):
    findings = {
        finding["name"]: finding["level"] for finding in json.loads(shop("doctor", "--integrity", "--json").stdout)
    }

    assert findings["booking_customer: a booking is linked to its customer"] == "ok"
