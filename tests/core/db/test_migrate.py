import threading
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import ProgrammingError

from core.db.branch import branches
from core.db.migrate import LOCK, Migrations, pending
from core.errors import Busy, ConfigurationError
from core.testing import application_on

from .branches import BROKEN, NOTHING, TOY, TOY_NAME, TOY_NAME_CONCURRENTLY, toy_metadata, write_branch

CORE = branches([])


def applied(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {revision for (revision,) in connection.execute("SELECT version_num FROM alembic_version")}


def exists(url: str, relation: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT to_regclass(%s) IS NOT NULL", [relation]).fetchone() == (True,)


def test_applies_the_core_first_and_then_every_module_in_order(empty_database_url: str, tmp_path: Path):
    told: list[str] = []
    zoo, toys = write_branch(tmp_path, TOY, name="zoo"), write_branch(tmp_path, TOY_NAME, name="toys")

    Migrations(empty_database_url, [*CORE, zoo, toys], report=told.append).upgrade()

    assert told == ["applied core_0001", "applied zoo_0001", "applied toys_0001"]
    assert applied(empty_database_url) == {"core_0001", "zoo_0001", "toys_0001"}


def test_applies_nothing_twice(empty_database_url: str, tmp_path: Path):
    told: list[str] = []
    migrations = Migrations(empty_database_url, [write_branch(tmp_path, TOY, TOY_NAME)], report=told.append)
    migrations.upgrade()
    told.clear()

    migrations.upgrade()

    assert told == []


def test_continues_where_an_older_version_stopped(empty_database_url: str, tmp_path: Path):
    Migrations(empty_database_url, [write_branch(tmp_path / "old", TOY)]).upgrade()
    newer = Migrations(empty_database_url, [write_branch(tmp_path / "new", TOY, TOY_NAME)])

    assert newer.missing() == ["toys_0002"]
    newer.upgrade()

    assert newer.missing() == []
    assert exists(empty_database_url, '"IDX_toy_name"')


def test_takes_one_branch_down_and_up_again(empty_database_url: str, tmp_path: Path):
    migrations = Migrations(empty_database_url, [*CORE, write_branch(tmp_path, TOY, TOY_NAME)])
    migrations.upgrade()

    migrations.move("toys_0001")
    assert applied(empty_database_url) == {"core_0001", "toys_0001"}
    assert not exists(empty_database_url, '"IDX_toy_name"')

    migrations.move("toys_0000")
    assert applied(empty_database_url) == {"core_0001"}
    assert not exists(empty_database_url, "toy")

    migrations.move("toys_0002")
    assert applied(empty_database_url) == {"core_0001", "toys_0002"}


@pytest.mark.parametrize("revision", ["toys_0009", "nobody_0001", "toys", "toys@head"])
def test_refuses_to_move_to_what_does_not_exist(empty_database_url: str, tmp_path: Path, revision: str):
    migrations = Migrations(empty_database_url, [write_branch(tmp_path, TOY)])

    with pytest.raises(ConfigurationError, match=revision):
        migrations.move(revision)


def test_a_failing_migration_leaves_nothing_and_keeps_those_before(empty_database_url: str, tmp_path: Path):
    migrations = Migrations(empty_database_url, [write_branch(tmp_path, TOY, BROKEN)])

    with pytest.raises(ProgrammingError, match="broken"):
        migrations.upgrade()

    assert applied(empty_database_url) == {"toys_0001"}
    assert not exists(empty_database_url, "half")


def test_leaves_alone_what_a_newer_version_or_another_module_applied(empty_database_url: str, tmp_path: Path):
    newer = [write_branch(tmp_path / "new", TOY, TOY_NAME), write_branch(tmp_path, NOTHING, name="gone")]
    Migrations(empty_database_url, newer).upgrade()
    older = Migrations(empty_database_url, [write_branch(tmp_path / "old", TOY), *CORE])

    assert older.missing() == ["core_0001"]
    older.upgrade()

    assert applied(empty_database_url) == {"toys_0002", "gone_0001", "core_0001"}


def test_refuses_to_move_a_branch_that_is_newer_than_the_code(empty_database_url: str, tmp_path: Path):
    Migrations(empty_database_url, [write_branch(tmp_path / "new", TOY, TOY_NAME)]).upgrade()

    with pytest.raises(ConfigurationError, match="toys_0002, which this code does not know"):
        Migrations(empty_database_url, [write_branch(tmp_path / "old", TOY)]).move("toys_0000")


def test_refuses_to_take_back_under_tables_of_a_module_that_it_does_not_know(empty_database_url: str, tmp_path: Path):
    toys, gone = write_branch(tmp_path, TOY), write_branch(tmp_path, NOTHING, name="gone")
    Migrations(empty_database_url, [toys, gone]).upgrade()

    with pytest.raises(ConfigurationError, match="gone_0001, which this code does not know"):
        Migrations(empty_database_url, [toys]).move("toys_0000")


def test_says_that_it_waits_for_another_migration_and_gives_up(empty_database_url: str):
    told: list[str] = []
    with psycopg.connect(empty_database_url) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK])

        with pytest.raises(Busy, match=r"after 0\.3 s"):
            Migrations(empty_database_url, CORE, report=told.append, wait_seconds=0.3).upgrade()

    assert told == ["waiting for another migration to end"]


def test_an_index_can_be_built_concurrently_while_another_migration_waits(empty_database_url: str, tmp_path: Path):
    branch = write_branch(tmp_path, TOY, TOY_NAME_CONCURRENTLY)
    told: list[str] = []
    both = [
        threading.Thread(target=Migrations(empty_database_url, [branch], report=told.append).upgrade) for _ in range(2)
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(30)

    assert [line for line in told if line.startswith("applied")] == ["applied toys_0001", "applied toys_0002"]
    assert exists(empty_database_url, '"IDX_toy_name"')


@pytest.mark.parametrize(
    ("model", "difference"),
    [
        ({}, []),
        ({"size": True}, ["toys: op.add_column('toy', sa.Column('size', sa.Integer(), nullable=True))"]),
        ({"index": True}, ["toys: op.create_index('IDX_toy_name', 'toy', ['name'], unique=False)"]),
    ],
)
def test_tells_how_the_tables_differ_from_the_models(
    empty_database_url: str, tmp_path: Path, model: dict[str, bool], difference: list[str]
):
    branch = write_branch(tmp_path, TOY, metadata=toy_metadata(**model))
    migrations = Migrations(empty_database_url, [*CORE, branch])
    migrations.upgrade()

    assert migrations.differences() == difference


async def test_a_process_is_ready_when_the_database_has_at_least_its_migrations(empty_database_url: str):
    app = application_on(empty_database_url)
    assert await pending(app) == ["core_0001"]

    Migrations(empty_database_url, CORE).upgrade()
    assert await pending(app) == []

    with psycopg.connect(empty_database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'core_0007'")
    assert await pending(app) == []
    await app.database.dispose()


def test_a_migration_written_beside_a_running_process_does_not_make_it_unready(tmp_path: Path):
    branch = write_branch(tmp_path, TOY)
    assert branch.head == 1

    (branch.folder / "0002_later.py").touch()

    assert branch.head == 1


def test_a_busy_table_is_not_queued_for_long(empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.db.migrate.LOCK_TIMEOUT_MILLISECONDS", 100)
    migrations = Migrations(empty_database_url, [write_branch(tmp_path, TOY, TOY_NAME)])
    migrations.move("toys_0001")
    with psycopg.connect(empty_database_url) as other:
        other.execute("LOCK TABLE toy IN ACCESS EXCLUSIVE MODE")

        with pytest.raises(Busy, match="lock"):
            migrations.upgrade()
