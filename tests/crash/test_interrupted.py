"""Whoever goes away inside a living process, a caller or the task that drives a run: the run still ends."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from core.app import Application
from core.errors import HoldfastError, OutcomeUnknown
from core.workflow import Workflow

from .check import ENDINGS, check, left
from .interruption import Interrupted, Kill, make_task
from .outside import outside, read
from .sagas import SAGAS, Order
from .worker import application

EVERY = 1 if os.environ.get("HOLDFAST_SOAK") else 4
"""Which of a driver's await points are tried."""
PATIENCE_SECONDS = 60


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


@pytest.fixture
async def app(url: str, notes: Path) -> AsyncGenerator[Application]:
    with outside(notes) as port:
        app = application(url, port)
        async with app.running():
            yield app


async def until_ended(url: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await asyncio.to_thread(left, url):  # noqa: ASYNC110, rows
            await asyncio.sleep(0.05)


async def call(app: Application, saga: Workflow[Order, Any], number: int, key: str) -> None:
    async with app.scope() as scope:
        with suppress(HoldfastError):
            await saga.run(scope, Order(number), key=key)


async def call_and_go_away(app: Application, saga: Workflow[Order, Any]) -> int:
    """Cancel callers, two for each key, at each of their await points; return how many there are."""
    for at in count(1):
        calls = [Interrupted(call(app, saga, at, f"{saga.id} {at}"), at) for _ in range(2)]
        tasks = [asyncio.ensure_future(each) for each in calls]
        await asyncio.wait(tasks)
        if not any(each.hit for each in calls):
            return at - 1
    raise RuntimeError("a caller ends")


async def test_a_run_ends_wherever_its_callers_are_cancelled(app: Application, url: str, notes: Path):
    points = await asyncio.gather(*(call_and_go_away(app, saga) for saga in SAGAS))

    assert min(points) > 0
    await until_ended(url)
    check(url, read(notes), well=1)


async def lose_drivers(app: Application, saga: Workflow[Order, Any]) -> int:
    """Cancel drivers at their await points, one at each run; return how many were."""
    for number in count(0):
        kill = Kill(1 + number * EVERY)
        Kill.wanted.set(kill)
        async with app.scope() as scope:
            try:
                await saga.run(scope, Order(number))
            except OutcomeUnknown:
                pass
            except HoldfastError:
                assert saga.id in ENDINGS
        if not kill.hit:
            return number
    raise RuntimeError("a driver ends")


async def test_a_run_ends_wherever_the_task_that_drives_it_is_cancelled(app: Application, url: str, notes: Path):
    asyncio.get_running_loop().set_task_factory(make_task)

    lost = await asyncio.gather(*(lose_drivers(app, saga) for saga in SAGAS))

    assert min(lost) > 3
    await until_ended(url)
    check(url, read(notes), well=1)
