"""Runs as they stand when somebody looks after them, while no other process of the shop runs."""

import asyncio
import json
import subprocess
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg

from core.app import Application
from core.config import Config, Database, Engine
from core.container import Scope
from core.errors import HoldfastError
from core.workflow import Run, Runs, workflow

from ..sagas.workflows import ALL, CALLS, CHANGED, STUCK, pack, pack_then_fail, pack_when_told


@asynccontextmanager
async def shop(url: str, *more: Any) -> AsyncGenerator[Scope]:
    """A process of the shop, for as long as the block lasts."""
    engine = Engine(beat_seconds=0.2, lease_seconds=1, grace_seconds=1, undo_attempts=1)
    config = Config(database=Database(url=url, pool_size=5), engine=engine)
    app = Application(config, modules=[], workflows=[*ALL, *more])
    async with app.running(), app.scope() as scope:
        yield scope


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def calls() -> list[str]:
    return CALLS.read_text().split("\n")[:-1]


def as_json(result: "subprocess.CompletedProcess[str]") -> Any:
    return json.loads(result.stdout)


async def rest(scope: Scope, run: Run[Any], status: str) -> str:
    """Wait until a run is in a state; return its id."""
    for _ in range(500):
        if (await scope.resolve(Runs).retrieve(run.id)).status == status:
            return run.id
        await scope.session.sql("SELECT pg_sleep(0.02)")
    raise TimeoutError(status)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110, files and rows
            await asyncio.sleep(0.02)


async def waiting(url: str, what: str = "glass") -> str:
    """A run that packs, and then waits for a signal."""
    async with shop(url) as scope:
        return await rest(scope, await pack_when_told.start(scope, what), "waiting")


async def parked(url: str, what: str = "glass") -> str:
    """A run whose body was changed while it waited."""
    id = await waiting(url, what)
    CHANGED.touch()
    async with shop(url) as scope:
        await scope.resolve(Runs).signal(id, "next", "silk")
        for _ in range(500):
            if (await scope.resolve(Runs).retrieve(id)).status == "nondeterministic":
                return id
            await scope.session.sql("SELECT pg_sleep(0.02)")
    raise TimeoutError


async def stuck(url: str) -> str:
    """A run of which one of three undos failed."""
    STUCK.touch()
    async with shop(url) as scope:
        with suppress(HoldfastError):
            await pack_then_fail.run(scope, ["wood", "glue", "wool"])
        [(id,)] = await scope.session.sql("SELECT id FROM workflow_run WHERE status = 'compensation_failed'")
        return str(id)


async def unknown(url: str, status: str = "waiting") -> str:
    """A run of a workflow that the command does not have, although it has its steps."""

    @workflow("pack-of-old", version=3)
    async def pack_of_old(what: str) -> None:
        await pack(what)
        await pack_when_told(what)

    async with shop(url, pack_of_old) as scope:
        return await rest(scope, await pack_of_old.start(scope, "lace"), status)
