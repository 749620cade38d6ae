"""API processes killed under load, at any moment."""

import asyncio
import os
import random
import signal

import psutil
import pytest

from .conftest import Serve, Served
from .load import customers
from .truth import doctor, findings

KILLS = 12
WORKERS = 3
SEED = "HOLDFAST_KILL_SEED"


@pytest.fixture
def dice() -> random.Random:
    """Random numbers of a seed that is printed, or given by the environment."""
    seed = int(os.environ.get(SEED) or random.randrange(2**32))
    print(f"{SEED}={seed}")
    return random.Random(seed)


async def test_a_killed_process_leaves_no_half_booking(
    url: str, serve: Serve, dice: random.Random, pytestconfig: pytest.Config
) -> None:
    async with serve(url, workers=WORKERS) as served, customers(await served.site.open_shop()) as load:
        for _ in range(KILLS):
            await load.reaches(5, lambda status: status < 300)
            await asyncio.sleep(dice.uniform(0, 0.05))
            os.kill(dice.choice(await workers_of(served)), signal.SIGKILL)
        await load.reaches(30, lambda status: status < 300)
    assert load.statuses[0] > 0  # some were cut off in the middle of a request
    assert set(load.statuses) <= {0, 200, 201}
    assert findings(url, load) == []
    assert set((await doctor(url, pytestconfig.rootpath)).values()) == {"ok"}


async def workers_of(served: Served) -> list[int]:
    """Return the processes that serve, once there is one."""
    main = psutil.Process(served.server.pid)
    async with asyncio.timeout(10):
        while not (pids := [child.pid for child in main.children() if child.status() != psutil.STATUS_ZOMBIE]):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return pids
