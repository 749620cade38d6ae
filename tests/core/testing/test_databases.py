import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from core.db.branch import branches
from core.testing import DatabaseServer, TemporaryDatabase
from core.testing.databases import EMPTY

from ..db.branches import TOY, write_branch

CORE = branches([])
INSERT = "INSERT INTO clock_offset (moved_by) VALUES ('1 hour')"
IDENTITY = "SELECT oid FROM pg_database WHERE datname = current_database()"


def run(database: TemporaryDatabase, statement: str) -> None:
    with psycopg.connect(database.url) as connection:
        connection.execute(statement.encode())


def value(database: TemporaryDatabase, query: str) -> object:
    with psycopg.connect(database.url) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def test_a_reused_database_has_no_rows_of_the_test_before(database_server: DatabaseServer):
    first = database_server.reuse(CORE)
    identity = value(first, IDENTITY)
    run(first, INSERT)

    second = database_server.reuse(CORE)

    assert value(second, IDENTITY) == identity
    assert value(second, "SELECT count(*) FROM clock_offset") == 0
    assert value(second, "SELECT version_num FROM alembic_version") == "core_0001"


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE toy ()",
        "ALTER TABLE workflow_run ADD COLUMN toy text",
        "ALTER TABLE workflow_run ALTER COLUMN input DROP NOT NULL",
        "ALTER TABLE workflow_step DROP CONSTRAINT workflow_step_pkey",
        "ALTER TABLE workflow_step DISABLE TRIGGER ALL",
        "CREATE OR REPLACE FUNCTION current_clock_offset() RETURNS interval LANGUAGE sql AS 'SELECT NULL::interval'",
        "UPDATE alembic_version SET version_num = 'core_0000'",
        'DROP INDEX "IDX_workflow_run_due"',
    ],
)
def test_a_database_with_changed_tables_is_made_anew(database_server: DatabaseServer, change: str):
    database = database_server.reuse(CORE)
    identity = value(database, IDENTITY)
    run(database, change)

    database.empty()

    assert value(database, IDENTITY) != identity
    database.empty()
    assert value(database, "SELECT version_num FROM alembic_version") == "core_0001"


def test_numbers_start_again(database_server: DatabaseServer):
    database = database_server.reuse([])
    run(database, "CREATE TABLE toy (number int GENERATED ALWAYS AS IDENTITY)")
    run(database, "INSERT INTO toy DEFAULT VALUES")
    run(database, EMPTY)

    run(database, "INSERT INTO toy DEFAULT VALUES")

    assert value(database, "SELECT array_agg(number) FROM toy") == [1]


def test_rows_go_whatever_triggers_and_references_say(database_server: DatabaseServer):
    database = database_server.reuse([])
    run(database, "CREATE TABLE maker (id int PRIMARY KEY); CREATE TABLE toy (maker_id int REFERENCES maker)")
    run(database, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END'")
    run(database, "CREATE TRIGGER refuse BEFORE DELETE ON toy FOR EACH ROW EXECUTE FUNCTION refuse()")
    run(database, "INSERT INTO maker VALUES (1); INSERT INTO toy VALUES (1)")

    run(database, EMPTY)

    assert value(database, "SELECT (SELECT count(*) FROM maker) + (SELECT count(*) FROM toy)") == 0


def test_whoever_is_still_connected_is_thrown_out(database_server: DatabaseServer):
    database = database_server.reuse(CORE)
    with psycopg.connect(database.url) as left:
        left.execute("LOCK TABLE clock_offset")

        database.empty()

        with pytest.raises(psycopg.OperationalError):
            left.execute("SELECT 1")


def test_a_dropped_database_is_gone_whoever_uses_it(database_server: DatabaseServer):
    database = database_server.create(CORE)
    with psycopg.connect(database.url):
        database.drop()

    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(database.url)


def test_the_databases_of_a_killed_test_run_are_swept_by_the_next(database_server: DatabaseServer, tmp_path: Path):
    code = "import sys, os, signal; from pathlib import Path; from core.testing import DatabaseServer\n"
    code += "print(DatabaseServer(sys.argv[1], folder=Path(sys.argv[2])).create().url, flush=True)\n"
    code += "os.kill(os.getpid(), signal.SIGKILL)"
    killed = subprocess.run(
        [sys.executable, "-c", code, database_server.url, str(tmp_path)], stdout=subprocess.PIPE, text=True, check=False
    )
    left = killed.stdout.strip()
    psycopg.connect(left).close()

    server = DatabaseServer(database_server.url, folder=tmp_path)
    kept = server.create()
    new = server.create([write_branch(tmp_path, TOY)])

    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(left)
    assert value(kept, "SELECT 1") == value(new, "SELECT 1")
    server.drop_all()


def test_a_template_is_built_once_for_its_migrations(database_server: DatabaseServer, tmp_path: Path):
    server = DatabaseServer(database_server.url, folder=tmp_path)
    toys = write_branch(tmp_path, TOY)

    def templates() -> set[str]:
        return {name for name in server.databases() if "template" in name}

    server.create(CORE)
    server.create([toys])
    first = templates()
    server.create([toys])
    server.create(CORE)
    assert templates() == first
    assert len(first) == 2

    (toys.folder / "0001_step.py").write_text((toys.folder / "0001_step.py").read_text() + "# changed")
    server.create([toys])

    assert len(templates()) == 2
    assert len(templates() & first) == 1
    server.drop_all()
