"""What a run costs: committed transactions with an id, counted by a PostgreSQL that nobody else uses."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from core.container import Scope
from core.db.branch import branches
from core.db.embedded import EmbeddedPostgres
from core.testing import DatabaseServer
from core.workflow import StepFailed

from .conftest import application_at
from .payments import Charge
from .slots import (
    TABLES,
    Calls,
    Names,
    Slot,
    TakeThenFail,
    count,
    take_and_count,
    take_one,
    take_slots,
    take_then_fail,
)
from .test_external import charge_all, charge_one, take_charge_take

NEXT: LiteralString = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
COMMITTED: LiteralString = """
SELECT count(*) FROM generate_series(%s::bigint, %s::bigint - 1) AS id
WHERE pg_xact_status(id::text::xid8) = 'committed'"""


@pytest.fixture
def own_url(tmp_path: Path) -> Generator[str]:
    """A database with the slots in a cluster where nothing is vacuumed."""
    postgres = EmbeddedPostgres(tmp_path, fsync=False)
    server = DatabaseServer(postgres.start(), folder=tmp_path)
    with server.connect() as connection:
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")
    url = server.create(branches([])).url
    with psycopg.connect(url) as connection:
        connection.execute(TABLES)
    yield url
    postgres.remove()


async def fail_at_once(scope: Scope) -> None:
    with suppress(StepFailed):
        await take_then_fail.run(scope, TakeThenFail([], "broken"))


Run = Callable[[Scope], Awaitable[object]]
CASES: dict[str, tuple[Run, int]] = {
    "a saga of one step": (lambda scope: take_one.run(scope, Slot(name="one")), 1),
    "a keyed saga of one step": (lambda scope: take_one.run(scope, Slot(name="keyed"), key="one"), 1),
    "three transactional steps": (lambda scope: take_slots.run(scope, Names(["c", "d", "e"])), 3),
    "an external step between transactional ones": (lambda scope: take_charge_take.run(scope, Charge(name="f")), 2),
    "a run that only reads": (lambda scope: count.run(scope, None), 0),
    "a keyed run that only reads": (lambda scope: count.run(scope, None, key="read"), 1),
    "a read after a write": (lambda scope: take_and_count.run(scope, Slot(name="h")), 2),
    "a failure in the first step": (fail_at_once, 0),
    "an external step alone": (lambda scope: charge_one.run(scope, Charge(name="i")), 2),
    "three external steps": (lambda scope: charge_all.run(scope, Names(["j", "k", "l"])), 4),
}


async def cost(scope: Scope, run: Run) -> int:
    [(before,)] = await scope.session.sql(NEXT)
    await run(scope)
    [(after,)] = await scope.session.sql(NEXT)
    [(committed,)] = await scope.session.sql(COMMITTED, (before, after))
    return committed


async def test_runs_commit_no_more_transactions_than_they_must(own_url: str):
    async with application_at(own_url, Calls()).running() as app, app.scope() as scope:
        costs = {case: await cost(scope, run) for case, (run, _) in CASES.items()}
        assert costs == {case: expected for case, (_, expected) in CASES.items()}
