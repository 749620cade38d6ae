"""`saga`: a keyed saga of one step that inserts one row, beside the same INSERT through SQLAlchemy Core and psycopg."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import partial
from itertools import count
from typing import LiteralString

import psycopg
from msgspec import Struct
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Column, Integer, MetaData, Table, Text, insert

from core.app import Application
from core.workflow import StepContext, step, workflow

from .figures import Figure, compare, in_turn
from .ground import Ground
from .recording import Row

TABLE = Table("bench_row", MetaData(), Column("id", Text, primary_key=True), Column("n", Integer))
CREATE: LiteralString = "CREATE TABLE bench_row (id text PRIMARY KEY, n integer)"
INSERT: LiteralString = "INSERT INTO bench_row (id, n) VALUES (%(id)s, %(n)s)"
SECONDS = 1.0

numbers = count()


class Item(Struct, frozen=True):
    """The row."""

    id: str
    n: int


@step("insert-row")
async def insert_row(ctx: StepContext, item: Item) -> Item:
    """Insert it, the way that hot statements take."""
    await ctx.scope.session.writable("insert_row").sql(INSERT, {"id": item.id, "n": item.n})
    return item


@workflow("insert-row", version=1)
async def saga_of_one_step(item: Item) -> Item:
    """Insert it in a saga."""
    return await insert_row(item)


async def saga(ground: Ground) -> AsyncGenerator[Figure]:
    """Run each on 1 connection and on 16."""
    with ground.database() as database:
        with psycopg.connect(database.url) as connection:
            connection.execute(CREATE)
        app = Application(ground.config_at(database.url), modules=[], workflows=[saga_of_one_step])
        limits = ground.config.database
        size = limits.pool_size + limits.pool_overflow
        pool = AsyncConnectionPool[psycopg.AsyncConnection[Row]](
            database.url, min_size=size, max_size=size, open=False, kwargs={"autocommit": True}
        )
        async with app.running(), pool:
            ways = {
                "saga": partial(_saga, app),
                "core_insert": partial(_core, app),
                "psycopg_insert": partial(_raw, pool),
            }
            for concurrency in (1, 16):
                async for figure in _compare(ways, concurrency):
                    yield figure


async def _compare(ways: Mapping[str, Callable[[Item], Awaitable[object]]], concurrency: int) -> AsyncGenerator[Figure]:
    burnt: dict[str, list[float]] = {name: [] for name in ways}

    async def rate(name: str) -> float:
        done, cpu = await _repeat(ways[name], concurrency)
        burnt[name].append(cpu)
        return done

    found = await in_turn({name: partial(rate, name) for name in ways})
    cpu = {name: sorted(values)[len(values) // 2] for name, values in burnt.items()}
    for figure in (
        *compare(f"saga_one_step_c{concurrency}", "1/s", found.pop("saga"), found),
        *compare(f"saga_one_step_cpu_c{concurrency}", "ms", cpu.pop("saga"), cpu),
    ):
        yield figure


async def _repeat(way: Callable[[Item], Awaitable[object]], concurrency: int) -> tuple[float, float]:
    """Return the rate a second, and the milliseconds of CPU of this process for each."""
    began, burnt = time.perf_counter(), time.process_time()

    async def keep_on() -> int:
        done = 0
        while time.perf_counter() < began + SECONDS:
            number = next(numbers)
            await way(Item(f"row_{number}", number))
            done += 1
        return done

    done = sum(await asyncio.gather(*(keep_on() for _ in range(concurrency))))
    return done / (time.perf_counter() - began), (time.process_time() - burnt) / done * 1000


async def _saga(app: Application, item: Item) -> None:
    async with app.scope() as scope:
        await saga_of_one_step.run(scope, item, key=item.id)


async def _core(app: Application, item: Item) -> None:
    async with app.database.begin() as connection:
        await connection.execute(insert(TABLE), {"id": item.id, "n": item.n})


async def _raw(pool: AsyncConnectionPool[psycopg.AsyncConnection[Row]], item: Item) -> None:
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(INSERT, {"id": item.id, "n": item.n})
