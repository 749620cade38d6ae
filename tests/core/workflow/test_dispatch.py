"""Queued runs with a dispatcher: a hint to the workers, and their sweep where hints get lost."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from msgspec.structs import replace

from core.app import Application
from core.config import Config, Database, Engine, Jobs
from core.errors import ConfigurationError
from core.workflow import RunInProgress, Runs, StepContext, step, sweep, workflow

from .slots import ALL, Calls, Slot, take_one

HINTS: list[str] = []


class Hints:
    """A dispatcher that writes down what it hears, or fails."""

    fails = False

    def __init__(self, config: Config) -> None:
        self.config = config

    def dispatch(self, run_ids: Sequence[str]) -> None:
        HINTS.extend(run_ids)
        if Hints.fails:
            raise ConnectionError("nobody there")

    def close(self) -> None: ...


@asynccontextmanager
async def opened(url: str, calls: Calls, *, worker: bool, queued: float = 60) -> AsyncGenerator[Application]:
    config = Config(
        database=Database(url=url, pool_size=5),
        engine=Engine(beat_seconds=3600, lease_seconds=20, grace_seconds=5, queued_seconds=queued),
        jobs=Jobs(dispatcher=f"{__name__}:Hints"),
    )
    app = Application(config, modules=[], workflows=ALL)
    app.container.register(Calls, lambda _scope: calls)
    async with app.running(worker=worker):
        yield app


async def started(app: Application) -> str:
    HINTS.clear()
    async with app.scope() as scope:
        return (await take_one.start(scope, Slot(name="a"))).id


async def status(app: Application, run_id: str) -> str:
    async with app.scope() as scope:
        return (await scope.resolve(Runs).retrieve(run_id)).status


@pytest.mark.parametrize("fails", [False, True])
async def test_an_api_process_leaves_queued_runs_to_workers(url: str, calls: Calls, fails: bool):
    Hints.fails = fails
    async with opened(url, calls, worker=False) as app, app.scope() as scope:
        run = await take_one.start(scope, Slot(name="a"))
        async with asyncio.timeout(5):
            while run.id not in HINTS:  # noqa: ASYNC110, a list
                await asyncio.sleep(0.01)
        assert await app.workflows.sweep() == 0
        with pytest.raises(RunInProgress):
            await run.result(wait=timedelta(milliseconds=200))
        assert await status(app, run.id) == "queued"
    Hints.fails = False


async def test_a_worker_drives_what_it_is_told_of_once(url: str, calls: Calls):
    async with opened(url, calls, worker=True) as app, opened(url, calls, worker=True) as other:
        id = await started(app)
        assert await app.workflows.sweep() == 0
        driven = await asyncio.gather(app.workflows.drive(id), other.workflows.drive(id))
        assert sorted(driven) == [False, True]
        assert await status(app, id) == "done"
        assert calls == ["take a"]
        assert not await app.workflows.drive(id)
        assert not await app.workflows.drive("run_none")


async def test_a_worker_finds_what_no_hint_has_told_it_of(url: str, calls: Calls):
    async with opened(url, calls, worker=True, queued=0) as app:
        id = await started(app)
        assert await app.workflows.sweep() == 1
        async with asyncio.timeout(5):
            while await status(app, id) != "done":  # noqa: ASYNC110, a row
                await asyncio.sleep(0.01)


async def test_runs_that_take_long_do_not_hold_up_the_sweep(url: str, calls: Calls, monkeypatch: pytest.MonkeyPatch):
    gate = asyncio.Event()

    @step("stand-at-the-gate", external=True)
    async def stand_at_the_gate(ctx: StepContext) -> None:
        await gate.wait()

    @workflow("take-long", version=1)
    async def take_long(data: None) -> None:
        await stand_at_the_gate()

    monkeypatch.setattr(sweep, "TURN_SECONDS", 0.2)
    async with opened(url, calls, worker=True, queued=0) as app, app.scope() as scope:
        for _ in range(6):  # one more than there are connections
            await take_long.start(scope, None)
        ids = [(await take_one.start(scope, Slot(name=name))).id for name in "abc"]
        async with asyncio.timeout(10):
            assert await app.workflows.sweep() == 9
            while {await status(app, id) for id in ids} != {"done"}:  # noqa: ASYNC110, rows
                await asyncio.sleep(0.01)
        gate.set()


def test_a_dispatcher_that_does_not_exist_is_refused():
    config = Config(database=Database(url="postgresql://nobody@127.0.0.1:1/none"))
    with pytest.raises(ConfigurationError, match=r"jobs\.dispatcher: 'jobs.nowhere:None'"):
        Application(replace(config, jobs=Jobs(dispatcher="jobs.nowhere:None")), modules=[])
