import psycopg

from .conftest import Holdfast


def test_migrates_and_then_has_nothing_to_do(holdfast: Holdfast, empty_database_url: str):
    first = holdfast("migrate", DATABASE_URL=empty_database_url)
    again = holdfast("migrate", DATABASE_URL=empty_database_url)

    assert first.stdout.splitlines() == ["applied core_0001", "applied toys_0001", "The database is up to date."]
    assert again.stdout.splitlines() == ["The database is up to date."]


def test_check_changes_nothing_and_fails_where_a_migration_is_missing(holdfast: Holdfast, empty_database_url: str):
    checked = [holdfast("migrate", "--check", DATABASE_URL=empty_database_url) for _ in range(2)]

    for result in checked:
        assert result.stdout.splitlines() == ["not applied: core_0001", "not applied: toys_0001"]
        assert result.exit_code == 1


def test_check_fails_where_a_table_is_not_as_the_model_says(holdfast: Holdfast, toys_database_url: str):
    assert holdfast("migrate", "--check", DATABASE_URL=toys_database_url).exit_code == 0
    with psycopg.connect(toys_database_url) as connection:
        connection.execute("ALTER TABLE toy DROP COLUMN metadata")

    result = holdfast("migrate", "--check", DATABASE_URL=toys_database_url)

    assert result.exit_code == 1
    assert result.stdout.startswith("differs: toys: op.add_column('toy', sa.Column('metadata'")


def test_takes_one_module_away(holdfast: Holdfast, toys_database_url: str):
    result = holdfast("migrate", "--to", "toys_0000", DATABASE_URL=toys_database_url)

    assert result.stdout == "took back toys_0001\n"
    assert holdfast("migrate", "--check", DATABASE_URL=toys_database_url).stdout == "not applied: toys_0001\n"
