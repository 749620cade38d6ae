"""The sagas that are measured: their steps insert a row, read it back, or only have a token for the outside."""

from datetime import timedelta
from typing import Any, LiteralString

from msgspec import Struct
from msgspec.structs import replace

from core.app import Application
from core.errors import InvalidData
from core.workflow import StepContext, Workflow, parallel, step, workflow

CREATE: LiteralString = "CREATE TABLE bench_row (id text PRIMARY KEY, n integer)"
INSERT: LiteralString = "INSERT INTO bench_row (id, n) VALUES (%(id)s, %(n)s)"
SELECT: LiteralString = "SELECT n FROM bench_row WHERE id = %s"
DELETE: LiteralString = "DELETE FROM bench_row WHERE id = %s"


class Item(Struct, frozen=True):
    """A row."""

    id: str
    n: int

    def part(self, number: int) -> "Item":
        """Return another row, of the same saga."""
        return replace(self, id=f"{self.id}_{number}")


@step("insert-row")
async def insert_row(ctx: StepContext, item: Item) -> Item:
    """Insert it."""
    return await _insert(ctx, item)


@step("insert-row-for-now")
async def insert_row_for_now(ctx: StepContext, item: Item) -> Item:
    """Insert it, to be deleted again."""
    return await _insert(ctx, item)


@insert_row_for_now.compensate
async def delete_row(ctx: StepContext, item: Item) -> None:
    """Delete it."""
    await ctx.scope.session.writable("delete_row").sql(DELETE, (item.id,))


@step("read-row", read=True)
async def read_row(ctx: StepContext, item: Item) -> int | None:
    """Read it, if it is there."""
    rows = await ctx.scope.session.sql(SELECT, (item.id,))
    return rows[0][0] if rows else None


@step("call-outside", external=True)
async def call_outside(ctx: StepContext, item: Item) -> str:
    """Stand for a call to the outside that costs nothing."""
    return ctx.token


async def _insert(ctx: StepContext, item: Item) -> Item:
    # The way that hot statements take.
    await ctx.scope.session.writable("insert_row").sql(INSERT, {"id": item.id, "n": item.n})
    return item


@workflow("one-step", version=1)
async def one_step(item: Item) -> Item:
    """Insert a row."""
    return await insert_row(item)


@workflow("one-step-unkept", version=1, retention=timedelta(0))
async def one_step_unkept(item: Item) -> Item:
    """Insert a row, and keep nothing of the run."""
    return await insert_row(item)


@workflow("three-steps", version=1)
async def three_steps(item: Item) -> list[Item]:
    """Insert three rows."""
    return [await insert_row(item.part(number)) for number in (1, 2, 3)]


@workflow("three-external-steps", version=1)
async def three_external_steps(item: Item) -> list[str]:
    """Make three calls."""
    return [await call_outside(item.part(number)) for number in (1, 2, 3)]


@workflow("one-external-step", version=1)
async def one_external_step(item: Item) -> str:
    """Make a call."""
    return await call_outside(item)


@workflow("one-read", version=1)
async def one_read(item: Item) -> int | None:
    """Look for a row."""
    return await read_row(item)


@workflow("two-at-once", version=1)
async def two_at_once(item: Item) -> str:
    """Insert a row and make a call side by side."""
    _, token = await parallel(insert_row(item), call_outside(item))
    return token


@workflow("one-child", version=1)
async def one_child(item: Item) -> Item:
    """Have a child insert a row."""
    return await one_step(item)


@workflow("fail", version=1)
async def fail(item: Item) -> None:
    """Insert a row and fail, so that it is deleted."""
    await insert_row_for_now(item)
    raise InvalidData("this one is not wanted")


MIX: list[Workflow[Item, Any]] = [one_step, one_external_step, one_read, two_at_once, one_child, fail]
SAGAS: list[Workflow[Item, Any]] = [*MIX, one_step_unkept, three_steps, three_external_steps]


async def run_keyed(app: Application, saga: Workflow[Item, Any], item: Item) -> None:
    """Run a saga under a key of its own."""
    async with app.scope() as scope:
        await saga.run(scope, item, key=item.id)


async def run_unkeyed(app: Application, saga: Workflow[Item, Any], item: Item) -> None:
    """Run a saga without a key."""
    async with app.scope() as scope:
        await saga.run(scope, item)


async def run_mix(app: Application, item: Item) -> None:
    """Run sagas of all kinds by turns."""
    saga = MIX[item.n % len(MIX)]
    try:
        await run_keyed(app, saga, item)
    except InvalidData:
        if saga is not fail:
            raise
