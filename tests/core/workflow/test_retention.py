"""How long finished runs stay, and what the journal keeps of a person."""

from datetime import timedelta

import msgspec

from core.app import Application
from core.container import Scope
from core.workflow import Runs, workflow
from core.workflow.retention import purge_finished

from .slots import Names, Slot, count_slots, runs, take_slot


@workflow("take-for-an-hour", version=1, retention=timedelta(hours=1))
async def take_for_an_hour(data: Names) -> int:
    for name in data.names:
        await take_slot(Slot(name=name))
    return await count_slots()


async def test_e16_the_cleaner_deletes_only_finished_and_expired_runs(app: Application, scope: Scope):
    await take_for_an_hour.run(scope, Names(["a", "b"]))
    await take_for_an_hour.run(scope, Names(["c"]), key="k")
    assert await purge_finished(scope) == 0

    app.clock.set_offset(timedelta(hours=2))
    async with scope.transaction() as transaction:
        await transaction.sql(
            """INSERT INTO workflow_run (id, workflow, version, status, owner, input_hash, input, context, entries,
                created_at, expires_at)
            VALUES ('r', 'take-for-an-hour', 1, 'running', 'somebody', '', '{}', '{}', '[]', now(), now())"""
        )
    assert await purge_finished(scope) == 1

    assert sorted(await runs(scope)) == [("take-for-an-hour", "done", "k"), ("take-for-an-hour", "running", None)]
    app.clock.set_offset(timedelta(hours=25))
    assert await purge_finished(scope) == 1


async def test_a_run_that_still_owes_undos_outlives_its_retention(app: Application, scope: Scope):
    await take_for_an_hour.run(scope, Names(["a"]))
    async with scope.transaction() as transaction:
        await transaction.sql("UPDATE workflow_run SET status = 'compensation_failed'")
    app.clock.set_offset(timedelta(days=30))

    assert await purge_finished(scope) == 0

    assert [run[1] for run in await runs(scope)] == ["compensation_failed"]


async def test_erasing_a_person_deletes_their_finished_runs(scope: Scope):
    await take_for_an_hour.run(scope, Names(["a"]), subject="cus_1", key="k1")
    await take_for_an_hour.run(scope, Names(["b"]), subject="cus_2", key="k2")

    assert await scope.resolve(Runs).erase("cus_1") == 1

    assert await runs(scope) == [("take-for-an-hour", "done", "k2")]


async def test_inputs_of_all_steps_are_kept_where_that_is_asked_for(scope: Scope):
    @workflow("take-openly", version=1, record_inputs=True)
    async def take_openly(data: Names) -> None:
        await take_slot(Slot(name=data.names[0]))

    await take_openly.run(scope, Names(["a"]))
    await take_for_an_hour.run(scope, Names(["b"]))

    by_workflow = {run.workflow: run.id for run in await scope.resolve(Runs).list()}
    open_run = await scope.resolve(Runs).retrieve(by_workflow["take-openly"])
    discreet = await scope.resolve(Runs).retrieve(by_workflow["take-for-an-hour"])
    assert msgspec.json.decode(open_run.entries[0].input)[0][0]["name"] == "a"
    assert bytes(discreet.entries[0].input) == b"null"
