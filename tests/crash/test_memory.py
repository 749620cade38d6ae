"""A process that has driven a great many runs holds no more memory than it did after the first of them."""

import asyncio
import gc
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import pytest
import structlog

from core.app import Application
from core.config import Config, Database, Engine
from core.errors import HoldfastError
from core.workflow import StepContext, StepResponse, Workflow, parallel, sleep, step, workflow

from .outside import HERE

RUNS = 100_000
SAMPLES = 10
AT_ONCE = 16
GROWTH = 0.03
"""How much more memory at the end than after the first fifth is still flat."""


class Work(msgspec.Struct, frozen=True):
    number: int


class TooMuch(HoldfastError):
    """It is too much."""

    code = "crash_too_much"
    status = 422


@step("do")
async def do(ctx: StepContext, number: int) -> StepResponse[int, str]:
    query = "INSERT INTO effect (run, path, undone) VALUES (%s, %s, false)"
    await ctx.scope.session.writable("do").sql(query, (ctx.run_id, ctx.path))
    return StepResponse(number, compensate_with=ctx.path)


@do.compensate
async def undo(ctx: StepContext, path: str) -> None:
    await ctx.scope.session.writable("undo").sql("DELETE FROM effect WHERE run = %s AND path = %s", (ctx.run_id, path))


@step("ask", external=True)
async def ask(ctx: StepContext, number: int) -> int:
    return number


@workflow("do-once", version=1)
async def do_once(data: Work) -> int:
    return await do(data.number)


@workflow("do-and-ask", version=1)
async def do_and_ask(data: Work) -> int:
    return await do(1) + await ask(2) + await do_once(data)


@workflow("do-in-parallel", version=1)
async def do_in_parallel(data: Work) -> int:
    first, second = await parallel(do(1), do_once(data))
    return first + second


@workflow("fail", version=1)
async def fail(data: Work) -> int:
    await do(1)
    await do(2)
    raise TooMuch(number=data.number)


@workflow("doze", version=1)
async def doze(data: Work) -> int:
    await do(1)
    await sleep(timedelta(milliseconds=5))
    return data.number


WORKFLOWS: Sequence[Workflow[Work, int]] = [do_once, do_and_ask, do_in_parallel, fail, doze]


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _drive(url: str, parent: Connection) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    asyncio.run(_drive_all(url, parent))


async def _drive_all(url: str, parent: Connection) -> None:
    config = Config(database=Database(url=url, pool_size=AT_ONCE), engine=Engine(beat_seconds=1))
    app = Application(config, modules=[], workflows=WORKFLOWS)
    numbers = iter(range(RUNS))
    async with app.running():
        for sample in range(1, SAMPLES + 1):
            await asyncio.gather(*(_keep_running(app, numbers, sample * RUNS // SAMPLES) for _ in range(AT_ONCE)))
            gc.collect()
            parent.send(resident_bytes())


async def _keep_running(app: Application, numbers: Iterator[int], end: int) -> None:
    for number in numbers:
        async with app.scope() as scope:
            with suppress(TooMuch):
                await WORKFLOWS[number % len(WORKFLOWS)].run(scope, Work(number), key=str(number))
        if number >= end - AT_ONCE:
            return


@pytest.mark.soak
def test_resident_memory_is_flat_over_a_hundred_thousand_runs(url: str):
    ours, its = HERE.Pipe()
    process = HERE.Process(target=_drive, args=(url, its), daemon=True)
    process.start()
    samples = [ours.recv() for _ in range(SAMPLES)]
    process.join()
    warm = samples[SAMPLES // 5 - 1]
    assert max(samples[-2:]) <= warm * (1 + GROWTH), samples
