"""The sweep ends when it is told to, at whatever moment."""

import asyncio

import pytest

from .conftest import application_at
from .slots import Calls


@pytest.mark.parametrize("turns", range(6))
async def test_ends_although_it_is_woken_at_the_same_moment(url: str, calls: Calls, turns: int):
    app = application_at(url, calls)
    await app.open()
    await app.workflows.sweep()
    await asyncio.sleep(0.05)
    app.workflows.nudge()
    for _ in range(turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(15):
        await app.close()
