"""Locks that a step takes on keys of its own choosing, until it commits."""

import asyncio
import multiprocessing
from typing import LiteralString

import pytest

from core.app import Application
from core.container import Scope
from core.errors import Busy
from core.workflow import StepContext, step, workflow

from . import holder
from .slots import SOMEBODY_WAITS, Calls, slots

HELD: LiteralString = """
SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = database
WHERE locktype = 'advisory' AND granted AND datname = current_database()"""


async def until(scope: Scope, query: LiteralString) -> None:
    """Wait until a query has rows."""
    async with asyncio.timeout(20):
        while not await scope.session.sql(query):  # noqa: ASYNC110, other connections' locks
            await asyncio.sleep(0.01)


@step("lock-and-say")
async def lock_and_say(ctx: StepContext, name: str) -> None:
    await ctx.lock("a")
    ctx.resolve(Calls).append(name)


@workflow("lock-and-say", version=1)
async def lock_once(data: str) -> None:
    await lock_and_say(data)


async def test_v1_ten_buyers_of_five_items_buy_exactly_five(app: Application, scope: Scope):
    @step("buy")
    async def buy(ctx: StepContext, buyer: int) -> bool:
        await ctx.lock("items", "till")
        session = ctx.scope.session
        [(sold,)] = await session.sql("SELECT count(*) FROM slot")
        if sold == 5:
            return False
        await session.writable("buy").sql("INSERT INTO slot VALUES (%s, '')", (f"item {buyer}",))
        return True

    @workflow("buy", version=1)
    async def buy_once(data: int) -> bool:
        return await buy(data)

    async def call(buyer: int) -> bool:
        async with app.scope() as own:
            return await buy_once.run(own, buyer)

    bought = await asyncio.gather(*(call(buyer) for buyer in range(10)))

    assert bought.count(True) == 5
    assert len(await slots(scope)) == 5


async def test_v2_of_two_that_want_a_lock_one_waits(app: Application, scope: Scope, calls: Calls):
    release = asyncio.Event()

    @step("hold-and-say")
    async def hold_and_say(ctx: StepContext) -> None:
        await ctx.lock("b", "a")
        await release.wait()
        ctx.resolve(Calls).append("first")

    @workflow("hold-and-say", version=1)
    async def hold_once(data: None) -> None:
        await hold_and_say()

    async with app.scope() as other:
        first = asyncio.create_task(hold_once.run(other, None))
        await until(scope, HELD)
        second = asyncio.create_task(lock_once.run(scope, "second"))
        await until(scope, SOMEBODY_WAITS)
        release.set()
        await asyncio.gather(first, second)

    assert calls == ["first", "second"]


async def test_v3_a_holder_that_dies_frees_its_lock(scope: Scope, url: str, calls: Calls):
    process = multiprocessing.get_context("spawn").Process(target=holder.main, args=(url, "a"), daemon=True)
    process.start()
    await until(scope, HELD)
    waiting = asyncio.create_task(lock_once.run(scope, "second"))
    await until(scope, SOMEBODY_WAITS)
    assert calls == []

    process.kill()

    async with asyncio.timeout(5):
        await waiting
    process.join()
    assert calls == ["second"]
    assert await slots(scope) == ["before"]


async def test_a_lock_that_is_not_had_in_time_is_busy(scope: Scope, app: Application):
    @step("lock")
    async def lock(ctx: StepContext) -> None:
        await ctx.scope.session.writable("lock").sql("SET LOCAL lock_timeout = '50ms'")
        await ctx.lock("a")

    @workflow("lock", version=1)
    async def lock_once(data: None) -> None:
        await lock()

    holding = asyncio.Event()
    release = asyncio.Event()

    @step("hold")
    async def hold(ctx: StepContext) -> None:
        await ctx.lock("a")
        holding.set()
        await release.wait()

    @workflow("hold", version=1)
    async def hold_once(data: None) -> None:
        await hold()

    async with app.scope() as other:
        holder = asyncio.create_task(hold_once.run(other, None))
        await holding.wait()
        with pytest.raises(Busy, match="lock a is held by somebody else"):
            await lock_once.run(scope, None)
        release.set()
        await holder

    await lock_once.run(scope, None)
