"""Fifty callers in two processes use one key for a step that wants the last slot."""

import asyncio
from multiprocessing.connection import Connection
from typing import Any

import msgspec
import psycopg
import pytest

from core.app import Application
from core.config import Config, Database, Engine
from core.errors import HoldfastError
from core.workflow import IdempotencyMismatch, StepContext, StepResponse, step, workflow

from .outside import HERE

CALLERS = 25
"""In each of the two processes."""
PATIENCE_SECONDS = 60
TABLE = "CREATE TABLE slot (name text PRIMARY KEY, taken_by text NOT NULL)"


class Claim(msgspec.Struct, frozen=True):
    slot: str


class SlotTaken(HoldfastError):
    """The slot is somebody else's."""

    code = "crash_slot_taken"
    status = 409


@step("claim-slot")
async def claim_slot(ctx: StepContext, slot: str) -> StepResponse[str, str]:
    query = "INSERT INTO slot VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING taken_by"
    if not await ctx.scope.session.writable("claim").sql(query, (slot, ctx.run_id)):
        raise SlotTaken(slot=slot)
    return StepResponse(ctx.run_id, compensate_with=slot)


@claim_slot.compensate
async def release_slot(ctx: StepContext, slot: str) -> None:
    await ctx.scope.session.writable("release").sql("DELETE FROM slot WHERE name = %s", (slot,))


@workflow("claim-one-slot", version=1)
async def claim_one_slot(data: Claim) -> str:
    return await claim_slot(data.slot)


@workflow("claim-two-slots", version=1)
async def claim_two_slots(data: Claim) -> list[str]:
    return [await claim_slot(data.slot), await claim_slot(f"{data.slot} too")]


WORKFLOWS = {workflow.id: workflow for workflow in (claim_one_slot, claim_two_slots)}


def application(url: str) -> Application:
    config = Config(database=Database(url=url, pool_size=10), engine=Engine(grace_seconds=5))
    return Application(config, modules=[], workflows=[claim_one_slot, claim_two_slots])


def _call(url: str, id: str, parent: Connection) -> None:
    asyncio.run(_call_at_once(url, id, parent))


async def _call_at_once(url: str, id: str, parent: Connection) -> None:
    """Have all callers call when the parent says so; tell it their answers."""
    async with application(url).running() as app:
        parent.send("ready")
        await asyncio.to_thread(parent.recv)
        answers = await asyncio.gather(*(ask(app, id) for _ in range(CALLERS)))
        parent.send(answers)


async def ask(app: Application, id: str, slot: str = "last") -> Any:
    async with app.scope() as scope:
        return await WORKFLOWS[id].run(scope, Claim(slot), key="key")


@pytest.mark.parametrize("id", WORKFLOWS)
async def test_fifty_callers_in_two_processes_get_one_answer(url: str, id: str):
    with psycopg.connect(url) as connection:
        connection.execute(TABLE)
    pipes = [HERE.Pipe() for _ in range(2)]
    processes = [HERE.Process(target=_call, args=(url, id, theirs), daemon=True) for _, theirs in pipes]
    for process in processes:
        process.start()
    assert [ours.recv() for ours, _ in pipes] == ["ready", "ready"]
    for ours, _ in pipes:
        ours.send("go")
    answers = [answer for ours, _ in pipes for answer in ours.recv()]
    for process in processes:
        process.join(PATIENCE_SECONDS)

    assert len(answers) == 2 * CALLERS
    async with application(url).running() as app, app.scope() as scope:
        answers.append(await ask(app, id))
        [(run_id, result)] = await scope.session.sql("SELECT id, result FROM workflow_run")
        assert answers == [result] * len(answers)
        assert {taken_by for (taken_by,) in await scope.session.sql("SELECT taken_by FROM slot")} == {run_id}
        with pytest.raises(IdempotencyMismatch):
            await ask(app, id, "another")
        assert await scope.session.sql("SELECT count(*) FROM slot WHERE name LIKE 'another%%'", ()) == [(0,)]
