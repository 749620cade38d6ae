"""The floor: a Litestar route that runs recorded statements on psycopg's own pool, and does nothing else.

`uvicorn bench.bare:create_app --factory`; `BENCH_STATEMENTS` names the file with the statements.
"""

import os
import pickle
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
from litestar import Litestar, Response, get, post
from litestar.params import JSONBody
from msgspec import Struct
from psycopg_pool import AsyncConnectionPool

from core.ids import new_id

from .recording import Row, Statement

STATEMENTS = "BENCH_STATEMENTS"
POOL_SIZE = "BENCH_POOL_SIZE"


class Hold(Struct, frozen=True):
    """The body of a hold."""

    service_id: str
    staff_id: str
    start_at: datetime
    customer_email: str
    customer_name: str


class Recorded(Struct):
    """What the bare routes repeat."""

    hold: list[Statement]
    availability: dict[str, list[Statement]]
    minutes: int


def values_of(hold: Hold, minutes: int) -> dict[str, Any]:
    """Return what is new in the statements of each hold."""
    first = int(hold.start_at.timestamp()) // 900
    return {
        "booking_id": new_id("book"),
        "run_id": new_id("run"),
        "staff_id": hold.staff_id,
        "start_at": hold.start_at,
        "end_at": hold.start_at + timedelta(minutes=minutes),
        "first": first,
        "stop": first + minutes // 15,
    }


async def repeat(
    connection: psycopg.AsyncConnection[Row], statements: list[Statement], values: dict[str, Any]
) -> list[Row]:
    """Run the statements, those of a transaction in one; return the rows of the last one that has any."""
    rows: list[Row] = []
    for in_transaction, group in groupby(statements, lambda statement: statement.in_transaction):
        if in_transaction:
            rows = await _transact(connection, list(group), values) or rows
        else:
            rows = await _run(connection, list(group), values) or rows
    return rows


async def _transact(
    connection: psycopg.AsyncConnection[Row], statements: list[Statement], values: dict[str, Any]
) -> list[Row]:
    # What was sent along with BEGIN travels with it here too.
    opening = [statement for statement in statements if statement.query.lstrip().startswith("SET LOCAL")]
    script = ";".join(["BEGIN", *(statement.query for statement in opening)])
    try:
        await connection.execute(script.encode(), prepare=False)
        rows = await _run(connection, [each for each in statements if each not in opening], values)
    except BaseException:
        await connection.rollback()
        raise
    await connection.commit()
    return rows


async def _run(
    connection: psycopg.AsyncConnection[Row], statements: list[Statement], values: dict[str, Any]
) -> list[Row]:
    rows: list[Row] = []
    for statement in statements:
        cursor = await connection.execute(statement.query.encode(), statement.bound(values))
        if cursor.description:
            rows = await cursor.fetchall()
    return rows


def create_app() -> Litestar:
    """Return the bare routes."""
    recorded: Recorded = pickle.loads(Path(os.environ[STATEMENTS]).read_bytes())
    size = int(os.environ[POOL_SIZE])
    pool = AsyncConnectionPool[psycopg.AsyncConnection[Row]](
        os.environ["DATABASE_URL"],
        min_size=size,
        max_size=size,
        open=False,
        kwargs={"autocommit": True, "options": "-c timezone=UTC"},
    )

    @post("/hold")
    async def hold(data: JSONBody[Hold]) -> Response[str]:
        async with pool.connection() as connection:
            rows = await repeat(connection, recorded.hold, values_of(data, recorded.minutes))
        return Response(rows[0][0], media_type="application/json")

    @get("/availability/{name:str}")
    async def availability(name: str) -> Response[str]:
        async with pool.connection() as connection:
            rows = await repeat(connection, recorded.availability[name], {})
        return Response(str(rows), media_type="application/json")

    @get("/select-1")
    async def select_1() -> dict[str, int]:
        async with pool.connection() as connection:
            rows = await (await connection.execute("SELECT 1")).fetchall()
        return {"one": rows[0][0]}

    @get("/nothing")
    async def nothing() -> dict[str, int]:
        return {}

    @asynccontextmanager
    async def opened(_: Litestar) -> AsyncGenerator[None]:
        async with pool:
            await pool.wait()
            yield

    return Litestar([hold, availability, select_1, nothing], lifespan=[opened], openapi_config=None)
