"""More branches than there are connections."""

from collections.abc import Callable

import pytest

from core.app import Application
from core.config import Config, Database
from core.workflow import StepContext, parallel, step, workflow
from core.workflow.call import Call

from .conftest import CLOCKWORK

NAP = "SELECT pg_sleep(0.1)"


@step("nap")
async def nap(ctx: StepContext, number: int) -> int:
    await ctx.scope.session.sql(NAP)
    return number


@step("nap-reading", read=True)
async def nap_reading(ctx: StepContext, number: int) -> int:
    await ctx.scope.session.sql(NAP)
    return number


@workflow("nap-in-child", version=1)
async def nap_in_child(number: int) -> int:
    return await nap(number)


@pytest.mark.parametrize("branch", [nap, nap_reading, nap_in_child])
async def test_branches_take_turns_where_connections_are_few(url: str, branch: Callable[[int], Call[int]]):
    @workflow("nap-widely", version=1)
    async def nap_widely(branches: int) -> int:
        return sum(await parallel(*(branch(number) for number in range(branches))))

    # Who waits for a connection for longer than two naps gives up.
    limits = Database(url=url, pool_size=2, pool_timeout_seconds=0.25)
    app = Application(Config(database=limits, engine=CLOCKWORK), modules=[], workflows=[])
    async with app.running(), app.scope() as scope:
        assert await nap_widely.run(scope, 12) == sum(range(12))
