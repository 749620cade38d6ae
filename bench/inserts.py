"""The floor of the sagas: their INSERT alone, through SQLAlchemy Core and through psycopg; and how to repeat either."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Column, Integer, MetaData, Table, Text, insert

from core.app import Application
from core.config import Config

from .kinds import INSERT, Item

TABLE = Table("bench_row", MetaData(), Column("id", Text, primary_key=True), Column("n", Integer))

Way = Callable[[Item], Awaitable[object]]
Pool = AsyncConnectionPool[psycopg.AsyncConnection[tuple[Any, ...]]]

numbers = count()


def open_pool(config: Config) -> Pool:
    """Return psycopg's own pool, with as many connections as the application has; to be used in an `async with`."""
    size = config.database.pool_size
    return Pool(config.database.url, min_size=size, max_size=size, open=False, kwargs={"autocommit": True})


def floors(app: Application, pool: Pool) -> dict[str, Way]:
    """Return the ways to insert one row without a saga."""
    return {"core_insert": partial(_core, app), "psycopg_insert": partial(_raw, pool)}


async def _core(app: Application, item: Item) -> None:
    async with app.database.begin() as connection:
        await connection.execute(insert(TABLE), {"id": item.id, "n": item.n})


async def _raw(pool: Pool, item: Item) -> None:
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(INSERT, {"id": item.id, "n": item.n})


def items() -> Iterator[Item]:
    """Yield items that nobody had before."""
    for number in numbers:
        yield Item(f"row_{number}", number)


def items_for(seconds: float) -> Iterator[Item]:
    """Yield items until the time is over."""
    until = time.perf_counter() + seconds
    for item in items():
        yield item
        if time.perf_counter() >= until:
            return


async def repeat(way: Way, items: Iterator[Item], at_once: int) -> int:
    """Do it for each item, some at once; return how many there were."""

    async def keep_on() -> int:
        done = 0
        for item in items:
            await way(item)
            done += 1
        return done

    return sum(await asyncio.gather(*(keep_on() for _ in range(at_once))))
