"""Sagas of every kind, which leave traces: in the database what they did, with the outside what they asked for."""

import asyncio
import random
from datetime import timedelta

import msgspec

from core.errors import HoldfastError
from core.workflow import (
    Retry,
    Runs,
    StepContext,
    StepResponse,
    parallel,
    signal,
    sleep,
    start,
    step,
    wait_for,
    workflow,
)

from .outside import Outside

TABLES = """
CREATE TABLE effect (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run text NOT NULL, path text NOT NULL,
    undone boolean NOT NULL)"""

DAWDLE_SECONDS = 0.02
NAP = timedelta(seconds=0.03)
PATIENCE = timedelta(minutes=5)
RECORD = "INSERT INTO effect (run, path, undone) VALUES (%s, %s, %s)"


class Order(msgspec.Struct, frozen=True):
    number: int


class Errand(msgspec.Struct, frozen=True):
    """Whom to tell a word."""

    run_id: str


class OutOfStock(HoldfastError):
    """There is none left."""

    code = "crash_out_of_stock"
    status = 422


async def dawdle() -> None:
    await asyncio.sleep(random.uniform(0, DAWDLE_SECONDS))


async def leave_row(ctx: StepContext) -> None:
    """Leave one row; doing it twice would leave two."""
    await ctx.resolve(Outside).tell("enter", ctx.token)
    await ctx.scope.session.writable("write").sql(RECORD, (ctx.run_id, ctx.path, False))
    await dawdle()
    await ctx.resolve(Outside).tell("leave", ctx.token)


@step("write")
async def write(ctx: StepContext, number: int) -> StepResponse[int, str]:
    await leave_row(ctx)
    return StepResponse(number, compensate_with=ctx.path)


@write.compensate
async def unwrite(ctx: StepContext, path: str) -> None:
    await ctx.scope.session.writable("unwrite").sql(RECORD, (ctx.run_id, path, True))
    await dawdle()


@step("write-stubbornly")
async def write_stubbornly(ctx: StepContext, number: int) -> StepResponse[int, str]:
    await leave_row(ctx)
    return StepResponse(number, compensate_with=ctx.path)


@write_stubbornly.compensate
async def unwrite_at_last(ctx: StepContext, path: str) -> None:
    """Fail at the first attempt."""
    await unwrite(ctx, path)
    if ctx.attempt == 1:
        raise OutOfStock


@step("ask", external=True, retry=Retry(attempts=3))
async def ask(ctx: StepContext, number: int) -> StepResponse[int, str]:
    """Have the outside note the token."""
    await ctx.resolve(Outside).tell("do", ctx.token)
    await dawdle()
    await ctx.resolve(Outside).tell("done", ctx.token)
    return StepResponse(number, compensate_with=ctx.token)


@ask.compensate
async def unask(ctx: StepContext, token: str | None) -> None:
    await dawdle()
    await ctx.resolve(Outside).tell("undo", ctx.done_token)


@step("count", read=True)
async def count(ctx: StepContext) -> int:
    [(number,)] = await ctx.scope.session.sql("SELECT count(*) FROM effect WHERE run = %s", (ctx.run_id,))
    return int(number)


@step("tell-own-id", read=True)
async def tell_own_id(ctx: StepContext) -> str:
    return ctx.run_id


@step("cancel-own-run")
async def cancel_own_run(ctx: StepContext) -> None:
    await ctx.resolve(Runs).cancel(ctx.run_id)


@workflow("three-writes", version=1)
async def three_writes(data: Order) -> list[int]:
    return [await write(number) for number in (1, 2, 3)]


@workflow("write-ask-write", version=1)
async def write_ask_write(data: Order) -> int:
    await write(1)
    asked = await ask(data.number)
    await write(2)
    return asked + await count()


@workflow("side-by-side", version=1)
async def side_by_side(data: Order) -> list[int]:
    await write(0)
    first, second, _ = await parallel(write(1), ask(2), three_writes(data))
    return [first, second, await write(3)]


@workflow("fail-late", version=1)
async def fail_late(data: Order) -> None:
    await write(1)
    await ask(2)
    await parallel(write_stubbornly(3), ask(4))
    await write(5)
    raise OutOfStock


@workflow("family", version=1)
async def family(data: Order) -> list[int]:
    await write(1)
    try:
        await fail_late(data)
    except OutOfStock:
        await write(2)
    return await three_writes(data)


@workflow("fail-in-family", version=1)
async def fail_in_family(data: Order) -> None:
    await family(data)
    await write(9)
    raise OutOfStock


@workflow("nap", version=1)
async def nap(data: Order) -> int:
    await write(1)
    await sleep(NAP)
    asked = await ask(data.number)
    await sleep(NAP)
    return asked + await write(2)


@workflow("wait-for-word", version=1)
async def wait_for_word(data: Order) -> int:
    """Have another run send a signal, and wait for it."""
    await write(1)
    await start(send_word, Errand(await tell_own_id()))
    word = await wait_for("word", int, timeout=PATIENCE)
    return await write(word) + data.number


@workflow("send-word", version=1)
async def send_word(data: Errand) -> int:
    await write(1)
    await sleep(NAP)
    await signal(data.run_id, "word", 7)
    return await write(2)


@workflow("think-better-of-it", version=1)
async def think_better_of_it(data: Order) -> None:
    """Be cancelled by its own step, and undone."""
    await write(1)
    await ask(2)
    await cancel_own_run()
    await write(3)
    await write(4)


SAGAS = [
    *(three_writes, write_ask_write, side_by_side, fail_late, family, fail_in_family),
    *(nap, wait_for_word, think_better_of_it),
]
"""Those that are run; `wait_for_word` has `send_word` run."""
ALL = [*SAGAS, send_word]
KINDS = {
    "transactional": {three_writes.id},
    "external": {write_ask_write.id},
    "parallel": {side_by_side.id},
    "sleeping": {nap.id},
    "waiting": {wait_for_word.id, send_word.id},
    "failing with compensation": {fail_late.id},
    "cancelled": {think_better_of_it.id},
    "children": {family.id, fail_in_family.id},
}
