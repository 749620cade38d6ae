"""Migrations: what `holdfast migrate` does and what `/ready` asks."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString, Protocol, cast

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationInfo, MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, Table, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from ..errors import Busy, ConfigurationError
from .branch import Branch, Migrated, branches, missing, parse_revision
from .compare import differences
from .engine import database_url
from .failure import as_busy, sqlstate
from .link_changes import Change
from .link_tables import STORED, LinkTables, decode_definitions, drop_link_tables, stored_definitions
from .session import Session

LOCK = 0x686F6C6466617374
"""Key of the advisory lock: the bytes of "holdfast"."""
LOCK_TIMEOUT_MILLISECONDS = 5_000
"""How long a migration queues for a table; all later statements on that table queue behind it."""
POLL_SECONDS = 0.1
UNDEFINED_TABLE = "42P01"

Report = Callable[[str], None]


class Migrations:
    """The migrations of some branches, in order, and the tables of links, on one database; synchronous."""

    def __init__(
        self,
        url: str,
        wanted: Sequence[Branch],
        *,
        links: Sequence[Table[Any]] = (),
        report: Report = print,
        wait_seconds: float = 60,
    ) -> None:
        options = f"-c timezone=UTC -c lock_timeout={LOCK_TIMEOUT_MILLISECONDS}"
        arguments = {"application_name": "holdfast migrate", "connect_timeout": 5, "options": options}
        self._engine = create_engine(database_url(url), poolclass=NullPool, connect_args=arguments)
        self._branches = {branch.name: branch for branch in wanted}
        self._links = LinkTables(links)
        self._report = report
        self._wait_seconds = wait_seconds

    def upgrade(self, *, allow_destructive: bool = False) -> None:
        """Apply what is missing, each migration in its own transaction; branches that are ahead stay so.

        What a link table would lose is only listed unless `allow_destructive`; raises `ConfigurationError` in the end
        if this code waits for it.
        """
        with self._connect() as connection:
            self._lock(connection)
            if allow_destructive:
                # First, since a module's own migration cannot drop what a link still refers to.
                self._tell(self._links.lose(connection))
            # Looked at under the lock, since whoever held it before may have applied everything.
            for branch in self._branches.values():
                if branch.head > _reached(connection).get(branch.name, 0):
                    self._move(connection, branch, branch.head)
            self._tell(self._links.add(connection))
            left = self._links.losses(stored_definitions(connection))
            for change in left:
                self._report(f"not done without --allow-destructive: {change}")
            if vital := [str(change) for change in left if change.vital]:
                raise ConfigurationError(f"allow it with --allow-destructive: {', '.join(vital)}")

    def move(self, revision: str) -> None:
        """Take one branch up or down to `revision`; `<module>_0000` is the state before its first migration."""
        name, number = parse_revision(revision)
        branch = self._branches.get(name)
        if branch is None or number > branch.head:
            raise ConfigurationError(f"there is no revision {revision!r}")
        with self._connect() as connection:
            self._lock(connection)
            self._move(connection, branch, number)

    def missing(self) -> list[str]:
        """Return the revisions, and the changes of link tables, that are not applied."""
        with self._connect() as connection:
            revisions = missing(self._branches.values(), _applied(connection))
            return revisions + [str(change) for change in self._links.missing(stored_definitions(connection))]

    def obsolete(self) -> list[str]:
        """Return what `upgrade` would do to link tables with `allow_destructive` only."""
        with self._connect() as connection:
            return [str(change) for change in self._links.losses(stored_definitions(connection))]

    def differences(self) -> list[str]:
        """Return how the tables differ from the models, one line each."""
        with self._connect() as connection:
            found = {
                branch.name: differences(connection, branch.metadata)
                for branch in self._branches.values()
                if branch.metadata is not None
            }
            found |= {table.name: differences(connection, table.metadata) for table in self._links.tables}
        return [f"{name}: {line}" for name, lines in found.items() for line in lines]

    @contextmanager
    def _connect(self) -> Generator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise as_busy(error) or error from error

    def _lock(self, connection: Connection) -> None:
        """Poll for the lock, held until the connection closes; waiting in it deadlocks with a concurrent index."""
        deadline = time.monotonic() + self._wait_seconds
        waiting = False
        while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK}):
            connection.rollback()
            if time.monotonic() >= deadline:
                raise Busy(f"another migration still holds the lock after {self._wait_seconds:g} s")
            if not waiting:
                self._report("waiting for another migration to end")
            waiting = True
            time.sleep(POLL_SECONDS)
        connection.rollback()

    def _move(self, connection: Connection, branch: Branch, number: int) -> None:
        reached = _reached(connection)
        if number < reached.get(branch.name, 0):
            self._refuse_unknown(reached)
        if number == 0:
            self._drop_links(connection, branch)
        folders = [str(each.folder) for each in self._branches.values()]
        script = ScriptDirectory(folders[0], version_locations=folders)
        steps = _steps(script, branch, reached.get(branch.name, 0), number)

        def plan(_heads: Any, _context: MigrationContext) -> list[MigrationStep]:
            # Alembic's own search for a way fails on revisions that only a newer process or another module knows.
            return steps

        def tell(*, step: MigrationInfo, **_: Any) -> None:
            self._report(f"{'applied' if step.is_upgrade else 'took back'} {step.up_revision_id}")

        with EnvironmentContext(Config(), script, fn=plan) as environment:
            environment.configure(
                connection=connection, transaction_per_migration=True, on_version_apply=cast("Any", tell)
            )
            environment.run_migrations()

    def _drop_links(self, connection: Connection, branch: Branch) -> None:
        """Drop the link tables that refer to the tables of a module that is taken away; of the core, all."""
        tables = branch.metadata.tables if branch.metadata else ()
        for name in drop_link_tables(connection, None if branch.name == "core" else tables):
            self._report(f"dropped {name}")

    def _tell(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self._report(f"applied: {change}")

    def _refuse_unknown(self, reached: Mapping[str, int]) -> None:
        """Nothing is taken back under tables that only a newer version or another module knows."""
        for name, number in reached.items():
            if name not in self._branches or number > self._branches[name].head:
                raise ConfigurationError(f"the database is at {name}_{number:04}, which this code does not know")


def _steps(script: ScriptDirectory, branch: Branch, reached: int, number: int) -> list[MigrationStep]:
    revisions = script.revision_map
    up = [script.get_revision(branch.revision(n)) for n in range(reached + 1, number + 1)]
    down = [script.get_revision(branch.revision(n)) for n in range(reached, number, -1)]
    return [
        *(MigrationStep.upgrade_from_script(revisions, revision) for revision in up),
        *(MigrationStep.downgrade_from_script(revisions, revision) for revision in down),
    ]


def _applied(connection: Connection) -> list[str]:
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return []
    return list(connection.scalars(text("SELECT version_num FROM alembic_version")))


def _reached(connection: Connection) -> dict[str, int]:
    reached = dict(parse_revision(revision) for revision in _applied(connection))
    connection.rollback()
    return reached


class HasMigrations(Protocol):
    """What `pending` asks of an application."""

    @property
    def database(self) -> AsyncEngine:
        """The connections."""
        ...

    @property
    def modules(self) -> Mapping[str, Migrated]:
        """The modules in order."""
        ...

    @property
    def link_tables(self) -> Sequence[Table[Any]]:
        """The tables of the links."""
        ...


async def pending(app: HasMigrations) -> list[str]:
    """Return what this process needs and the database lacks; whatever is newer in it does no harm."""
    revisions = await _rows(app.database, "SELECT version_num FROM alembic_version")
    stored = decode_definitions(await _rows(app.database, STORED) if app.link_tables else [])
    lacking = [change.what for change in LinkTables(app.link_tables).missing(stored) if change.vital]
    return missing(branches(app.modules.values()), [revision for (revision,) in revisions]) + lacking


async def _rows(engine: AsyncEngine, query: LiteralString) -> list[Any]:
    """Return the rows of a table, none while there is no such table."""
    try:
        return await Session(engine).sql(query)
    except Exception as error:
        if sqlstate(error) != UNDEFINED_TABLE:
            raise
        return []
