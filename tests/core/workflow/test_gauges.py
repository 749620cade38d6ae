"""How many runs stand where, as the database has them."""

import re
from datetime import timedelta
from typing import LiteralString

import pytest
from prometheus_client.metrics_core import Metric

from core.app import Application
from core.container import Scope
from core.workflow.gauges import LAG, STANDING

from .conftest import application_at
from .slots import Calls

ADD = """
INSERT INTO workflow_run
    (id, workflow, version, status, owner, due_at, input_hash, input, context, entries, created_at)
SELECT 'run_' || gen_random_uuid(), %(workflow)s, %(version)s, %(status)s, %(owner)s, %(due_at)s, '', '{}', '{}', '[]',
    %(created_at)s
FROM generate_series(1, %(count)s)"""


async def add(scope: Scope, status: str, count: int = 1, **columns: object) -> None:
    values = {
        "workflow": "take-one",
        "version": 1,
        "owner": None,
        "due_at": None,
        "created_at": scope.clock.now(),
        **columns,
    }
    async with scope.transaction():
        await scope.session.sql(ADD, {**values, "status": status, "count": count})


async def read(app: Application, name: str, **labels: str) -> float | None:
    families: list[Metric] = await app.workflows.gauges.read()
    samples = [sample for family in families for sample in family.samples if sample.name == f"holdfast_{name}"]
    found = [sample.value for sample in samples if sample.labels == labels]
    return found[0] if found else None


async def test_counts_runs_by_workflow_and_state(app: Application, scope: Scope):
    owner = app.heartbeat.process_id
    await add(scope, "running", 3, owner=owner)
    await add(scope, "waiting", 2, version=1)
    await add(scope, "waiting", 1, version=2)
    await add(scope, "nondeterministic", 4)
    await add(scope, "compensation_failed", 1, workflow="count")
    await add(scope, "done", 5)
    states = {"running": 3, "waiting": 3, "nondeterministic": 4, "queued": 0, "compensating": 0}
    for state, count in states.items():
        assert await read(app, "workflow_runs", workflow="take-one", state=state) == count, state
    assert await read(app, "workflow_runs", workflow="count", state="compensation_failed") == 1
    assert await read(app, "workflow_runs", workflow="take-one", state="done") is None
    assert await read(app, "database_up") == 1


async def test_counts_runs_without_code(app: Application, scope: Scope):
    await add(scope, "waiting", 2, version=7)
    await add(scope, "queued", 1, workflow="gone", owner="proc_other")
    await add(scope, "compensating", 1, version=8, owner="proc_other")
    await add(scope, "waiting", 1)
    assert await read(app, "workflow_runs_without_code", workflow="take-one", version="7") == 2
    assert await read(app, "workflow_runs_without_code", workflow="gone", version="1") == 1
    assert await read(app, "workflow_runs_without_code", workflow="take-one", version="8") is None
    assert await read(app, "workflow_runs_without_code", workflow="take-one", version="1") is None


@pytest.mark.parametrize("status", ["queued", "waiting", "compensating"])
async def test_tells_how_long_the_oldest_due_run_waits(app: Application, scope: Scope, status: str):
    now = scope.clock.now()
    late = now - timedelta(seconds=90)
    await add(scope, status, workflow="gone", created_at=late, due_at=None if status == "queued" else late)
    await add(scope, "waiting", due_at=now + timedelta(hours=1), created_at=now - timedelta(hours=1))
    await add(scope, "done", created_at=now - timedelta(days=1))
    lag = await read(app, "workflow_due_lag_seconds")
    assert lag is not None
    assert 90 <= lag < 100


async def test_nothing_is_late_where_nothing_is_due(app: Application, scope: Scope):
    await add(scope, "waiting", due_at=scope.clock.now() + timedelta(hours=1))
    await add(scope, "running", owner=app.heartbeat.process_id, created_at=scope.clock.now() - timedelta(hours=1))
    assert await read(app, "workflow_due_lag_seconds") == 0
    assert await read(app, "workflow_processes") == 1


async def test_asks_the_database_at_most_every_few_seconds(app: Application, scope: Scope):
    assert await read(app, "workflow_runs", workflow="take-one", state="waiting") == 0
    await add(scope, "waiting")
    assert await read(app, "workflow_runs", workflow="take-one", state="waiting") == 0


async def test_says_that_the_database_is_away(calls: Calls):
    app = application_at("postgresql://nobody@127.0.0.1:1/none", calls)
    assert await read(app, "database_up") == 0
    assert await read(app, "workflow_processes") is None
    await app.database.dispose()


@pytest.mark.parametrize("statement", [STANDING, LAG])
async def test_finished_runs_cost_nothing(scope: Scope, statement: LiteralString):
    await add(scope, "done", 100)
    values = {"most": 10, "now": scope.clock.now(), "lease": timedelta(seconds=20), "suspected": 3}
    async with scope.transaction():
        await scope.session.sql("SET LOCAL enable_seqscan = off")  # as if there were many
        plan = "\n".join(line for (line,) in await scope.session.sql(f"EXPLAIN {statement}", values))
    indexes = set(re.findall(r"IDX_\w+|workflow_run_pkey", plan))
    assert indexes
    assert indexes <= {"IDX_workflow_run_due", "IDX_workflow_run_owner", "IDX_workflow_run_standing"}
    assert "Seq Scan on workflow_run" not in plan
