"""What every module's migrations must keep to."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Table

from core.db.branch import CORE, Branch, branches
from core.db.migrate import Migrations
from core.testing import DatabaseServer

NAMED = re.compile(
    r"\b(?:TABLE|ON|INTO|FROM|JOIN|UPDATE|REFERENCES|TRUNCATE)\s+(?:ONLY\s+)?(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(\w+)"
    r"|\"(\w+)\"",
    re.IGNORECASE,
)
"""A table's name where SQL has one, or any quoted name, as in `op.add_column("toy", ...)`."""
CREATED = re.compile(r"CREATE TABLE (\w+)")


def core_tables() -> set[str]:
    return {table for path in CORE.glob("*.py") for table in CREATED.findall(path.read_text())}


def tables_of_others(branch: Branch, among: list[Branch]) -> set[str]:
    metadata = {each.name: set(each.metadata.tables) if each.metadata else core_tables() for each in among}
    return {table for name, tables in metadata.items() if name != branch.name for table in tables}


def foreign_tables(branch: Branch, among: list[Branch]) -> set[str]:
    sources = [path.read_text() for path in branch.folder.glob("*.py")]
    named = {name for source in sources for match in NAMED.findall(source) for name in match}
    return named & tables_of_others(branch, among)


def relations(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            " UNION ALL SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace"
        )
        return {name for (name,) in rows}


def test_revisions_are_numbered_without_gaps_named_like_their_files_and_short(shop_branches: list[Branch]):
    for branch in shop_branches:
        script = ScriptDirectory(str(branch.folder), version_locations=[str(branch.folder)])
        revisions = list(script.walk_revisions())[::-1]

        assert [revision.revision for revision in revisions] == [branch.revision(n) for n in range(1, branch.head + 1)]
        for revision in revisions:
            assert Path(revision.path).name.startswith(f"{revision.revision[-4:]}_")
            assert len(revision.revision) <= 32
        assert revisions[0].branch_labels == {branch.name}


def test_a_migration_names_the_tables_of_its_own_module_only(shop_branches: list[Branch]):
    for branch in shop_branches:
        assert foreign_tables(branch, shop_branches) == set()


@pytest.mark.parametrize(
    "statement",
    [
        'op.execute("CREATE TABLE toy (run text REFERENCES workflow_run (id))")',
        'op.execute("CREATE TRIGGER spy AFTER INSERT ON workflow_run EXECUTE FUNCTION spy()")',
        'op.add_column("workflow_run", sa.Column("toy", sa.Text()))',
        'op.create_foreign_key("FK_toy", "toy", "workflow_run", ["run"], ["id"])',
    ],
)
def test_a_migration_that_names_a_table_of_another_module_is_found(tmp_path: Path, statement: str):
    (tmp_path / "0001_create_toys.py").write_text(statement)
    toys = Branch("toys", tmp_path)

    assert foreign_tables(toys, [*branches([]), toys]) == {"workflow_run"}


def test_the_tables_are_what_the_models_say(
    database_url: str, shop_branches: list[Branch], shop_links: Sequence[Table[Any]]
):
    assert Migrations(database_url, shop_branches, links=shop_links).differences() == []


def test_every_module_can_be_taken_away_and_brought_back(
    database_server: DatabaseServer, shop_branches: list[Branch], shop_links: Sequence[Table[Any]]
):
    database = database_server.create(shop_branches, shop_links)
    migrations = Migrations(database.url, shop_branches, links=shop_links)
    before = relations(database.url)

    for branch in reversed(shop_branches):
        migrations.move(f"{branch.name}_0000")
    assert relations(database.url) == {"alembic_version", "alembic_version_pkc", "_alembic_version"}

    migrations.upgrade()
    assert relations(database.url) == before
    database.drop()
