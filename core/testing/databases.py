"""Databases for tests: one per worker, made from a migrated template, and emptied in a millisecond."""

import hashlib
import os
import socket
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg import sql
from sqlalchemy import Table, make_url

from ..db.branch import Branch
from ..db.link_changes import definition_of
from ..db.migrate import Migrations
from .processes import is_alive

PREFIX = "holdfast_test"
POLL_SECONDS = 0.02

SCHEMA = """
SELECT md5(coalesce(string_agg(concat_ws(' ', object, xmin), ',' ORDER BY object), '')) FROM (
    SELECT concat_ws(' ', 'class', oid) AS object, '0'::xid AS xmin FROM pg_class WHERE oid >= 16384 AND relkind <> 't'
    UNION ALL SELECT concat_ws(' ', 'column', attrelid, attnum), xmin FROM pg_attribute WHERE attrelid >= 16384
    UNION ALL SELECT concat_ws(' ', 'constraint', oid), xmin FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'trigger', oid), xmin FROM pg_trigger WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'function', oid), xmin FROM pg_proc WHERE oid >= 16384
) objects"""
"""A fingerprint of tables, columns, constraints, triggers and functions."""

EMPTY = """
DO $$ DECLARE statement text; BEGIN
    SET LOCAL session_replication_role = replica;  -- neither triggers nor foreign keys
    FOR statement IN SELECT format('DELETE FROM %s', oid::regclass) FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
            AND relname NOT IN ('alembic_version', 'link_definition')
    LOOP EXECUTE statement; END LOOP;
    PERFORM setval(seqrelid::regclass, seqstart, false) FROM pg_sequence;
END $$"""

DISCONNECT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""


class DatabaseServer:
    """A running PostgreSQL on which tests make databases; its user must be a superuser.

    Only databases whose name starts with `holdfast_test` are touched.
    """

    def __init__(self, url: str, *, folder: Path) -> None:
        self.url = url
        place = f"{socket.gethostname()}:{folder.resolve()}"
        self._prefix = f"{PREFIX}_{_digest([os.fsencode(place)])}"
        """Several machines and checkouts may share a server."""
        self._made = 0
        self._reused: dict[tuple[Path | bytes, ...], TemporaryDatabase] = {}

    def url_of(self, database: str) -> str:
        """Return the URL of a database on this server."""
        return make_url(self.url).set(database=database).render_as_string(hide_password=False)

    def create(self, branches: Sequence[Branch] = (), links: Sequence[Table[Any]] = ()) -> "TemporaryDatabase":
        """Make a database, empty or with these branches migrated; the first one of a kind is kept as a template."""
        self._made += 1
        database = TemporaryDatabase(self, f"{self._prefix}_{os.getpid()}_{self._made}", branches, links)
        database.create()
        return database

    def reuse(self, branches: Sequence[Branch], links: Sequence[Table[Any]] = ()) -> "TemporaryDatabase":
        """Return this process's database with these branches and links migrated, without rows."""
        kind = (*(branch.folder for branch in branches), *map(_described, links))
        if kind in self._reused:
            self._reused[kind].empty()
        else:
            self._reused[kind] = self.create(branches, links)
        return self._reused[kind]

    def close(self) -> None:
        """Drop the reused databases."""
        while self._reused:
            self._reused.popitem()[1].drop()

    def copy_template(self, name: str, branches: Sequence[Branch], links: Sequence[Table[Any]] = ()) -> None:
        """Make the database `name` from the template of these branches and links, which is built if missing."""
        kind = f"{self._prefix}_template_{_digest(each.name.encode() for each in (*branches, *links))}"
        template = f"{kind}_{_digest([*_files(branches), *map(_described, links)])}"
        with self.connect() as connection, _alone(connection, self._prefix):
            self._sweep()
            if not self.databases(template):
                draft = f"{self._prefix}_draft"
                for old in (draft, *self.databases(kind)):
                    self.drop(old)
                _run(connection, "CREATE DATABASE {} TEMPLATE template0", draft)
                Migrations(self.url_of(draft), branches, links=links, report=lambda _line: None).upgrade()
                _run(connection, "ALTER DATABASE {} RENAME TO {}", draft, template)
            _run(connection, "CREATE DATABASE {} TEMPLATE {}", name, template)

    def databases(self, start: str = "") -> list[str]:
        """Return the names of this folder's databases, templates included."""
        with self.connect() as connection:
            query = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
            return [name for (name,) in connection.execute(query, [start or self._prefix])]

    def drop_all(self) -> None:
        """Drop every database of this folder, also those in use."""
        for name in self.databases():
            self.drop(name)

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        with self.connect() as connection:
            _run(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """Connect in autocommit mode; a `with` block closes the connection."""
        return psycopg.connect(self.url_of(database), autocommit=True)

    def _sweep(self) -> None:
        """Drop what killed test runs left behind."""
        for name in self.databases():
            maker = name.removeprefix(self._prefix).split("_")[1]
            if maker.isdigit() and not is_alive(int(maker)):
                self.drop(name)


class TemporaryDatabase:
    """A database of one test at a time."""

    def __init__(
        self, server: DatabaseServer, name: str, branches: Sequence[Branch], links: Sequence[Table[Any]] = ()
    ) -> None:
        self._server = server
        self._name = name
        self._branches = branches
        self._links = links
        self._fingerprint: list[Any] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return self._server.url_of(self._name)

    def create(self) -> None:
        """Make it anew."""
        self._server.drop(self._name)
        self._server.copy_template(self._name, self._branches, self._links)
        with self._server.connect(self._name) as connection:
            self._fingerprint = _fingerprint(connection)

    def empty(self) -> None:
        """Disconnect everybody, delete all rows, restart the sequences; make it anew if a test changed its tables."""
        with self._server.connect(self._name) as connection:
            while connection.execute(DISCONNECT).fetchone() != (0,):
                time.sleep(POLL_SECONDS)
            if not self._branches:
                connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
                return
            if _fingerprint(connection) == self._fingerprint:
                connection.execute(EMPTY)
                return
        self.create()

    def drop(self) -> None:
        """Remove it."""
        self._server.drop(self._name)


def _digest(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:8]


def _files(branches: Sequence[Branch]) -> Generator[bytes]:
    for branch in branches:
        for path in sorted(branch.folder.glob("*.py")):
            yield os.fsencode(path.name)
            yield path.read_bytes()


def _described(link: Table[Any]) -> bytes:
    return msgspec.json.encode((str(link.name), definition_of(link)))


def _run(connection: psycopg.Connection, statement: LiteralString, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _fingerprint(connection: psycopg.Connection) -> list[Any]:
    found = [connection.execute(SCHEMA).fetchall()]
    if connection.execute("SELECT to_regclass('alembic_version')").fetchone() != (None,):
        found.append(connection.execute("SELECT version_num FROM alembic_version ORDER BY 1").fetchall())
    return found


@contextmanager
def _alone(connection: psycopg.Connection, name: str) -> Generator[None]:
    """Hold an advisory lock, polled for, since who waits in one would block concurrent index builds."""
    while connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name]).fetchone() != (True,):
        time.sleep(POLL_SECONDS)
    yield  # unlocked when the connection closes
