import asyncio
import gc
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Any, cast

import psycopg
import pytest
from sqlalchemy import AsyncAdaptedQueuePool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from core.config import Config, Database
from core.db import Session, Transaction, as_busy, create_engine
from core.errors import Busy

from .interruption import cancelled_at

MOST_SUSPENSIONS = 200

Use = Callable[[AsyncEngine], Coroutine[Any, Any, object]]


def pool_of(url: str, size: int = 2, overflow: int = 0) -> AsyncEngine:
    limits = Database(url=url, pool_size=size, pool_overflow=overflow, pool_timeout_seconds=0.2)
    return create_engine(Config(database=limits))


@pytest.fixture
async def engine(core_database_url: str, caplog: pytest.LogCaptureFixture) -> AsyncGenerator[AsyncEngine]:
    """A pool of two connections to a database with one empty table, `leaf (body text)`; it must not complain."""
    engine = pool_of(core_database_url)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE leaf (body text)"))
    yield engine
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE leaf"))
    await engine.dispose()
    assert [record.getMessage() for record in caplog.records if record.name.startswith("sqlalchemy.pool")] == []


def checked_out(engine: AsyncEngine) -> int:
    return cast("AsyncAdaptedQueuePool", engine.sync_engine.pool).checkedout()


async def read(engine: AsyncEngine) -> None:
    await Session(engine).sql("SELECT 1")


async def read_core(engine: AsyncEngine) -> None:
    await Session(engine).read(text("SELECT 1"))


async def write(engine: AsyncEngine) -> None:
    async with Session(engine).transaction() as transaction:
        await transaction.set_local("lock_timeout = '2s'")
        await transaction.sql("INSERT INTO leaf VALUES ('a')")


async def write_core(engine: AsyncEngine) -> None:
    async with Session(engine).transaction() as transaction, transaction.savepoint():
        await transaction.execute(text("INSERT INTO leaf VALUES ('a')"))


async def fail(engine: AsyncEngine) -> None:
    async with Session(engine).transaction() as transaction:
        await transaction.sql("INSERT INTO leaf VALUES ('a')")
        raise KeyError


async def fill(engine: AsyncEngine) -> set[int]:
    """Let the pool make its two connections; return their processes."""
    async with Session(engine).transaction() as first, Session(engine).transaction() as second:
        [(one,)], [(other,)] = await first.sql("SELECT pg_backend_pid()"), await second.sql("SELECT pg_backend_pid()")
    return {one, other}


def kill(url: str, pids: set[int]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for pid in pids:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


async def cancel_everywhere(engine: AsyncEngine, use: Use, prepare: Use) -> int:
    """Cancel `use` at each of its awaits, until it has none left; return how many it had."""
    for at in range(1, MOST_SUSPENSIONS):
        await prepare(engine)
        reached = await cancelled_at(use(engine), at)
        gc.collect()  # an open connection that nobody holds warns, and a warning fails the test
        assert checked_out(engine) == 0
        await read(engine)
        if not reached:
            return at - 1
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("use", [read, read_core, write, write_core, fail])
async def test_a_cancellation_at_any_await_loses_no_connection(engine: AsyncEngine, use: Use) -> None:
    assert await cancel_everywhere(engine, use, prepare=read) >= 1


async def test_nothing_is_written_past_a_begin_that_was_cancelled(engine: AsyncEngine) -> None:
    async def attempt(at: int) -> bool:
        transaction = await Transaction.begin(engine)
        reached = await cancelled_at(transaction.sql("INSERT INTO leaf VALUES ('a')"), at)
        with suppress(psycopg.errors.InFailedSqlTransaction):
            await transaction.sql("INSERT INTO leaf VALUES ('b')")
        await transaction.rollback()
        return reached

    at = 1
    while await attempt(at):
        at += 1
    assert at > 2
    assert await Session(engine).sql("SELECT body FROM leaf") == []


async def test_a_cancellation_while_connecting_loses_no_connection(engine: AsyncEngine) -> None:
    async def disconnect(engine: AsyncEngine) -> None:
        await engine.dispose()

    assert await cancel_everywhere(engine, read, prepare=disconnect) >= 5


async def test_a_cancellation_while_waiting_for_a_connection_loses_none(engine: AsyncEngine) -> None:
    sessions = [Session(engine) for _ in range(2)]
    async with sessions[0].transaction(), sessions[1].transaction():
        waiting = asyncio.create_task(read(engine))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert checked_out(engine) == 0
    await asyncio.gather(*(read(engine) for _ in range(4)))


async def test_two_cancellations_in_a_row_lose_no_connection(engine: AsyncEngine) -> None:
    async def sleep() -> None:
        async with Session(engine).transaction() as transaction:
            await transaction.sql("SELECT pg_sleep(10)")

    for pause in range(12):
        task = asyncio.create_task(sleep())
        await asyncio.sleep(0.02)
        for _ in range(2):
            task.cancel()
            for _ in range(pause):
                await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert checked_out(engine) == 0
    await read(engine)


async def test_an_exhausted_pool_is_busy(engine: AsyncEngine) -> None:
    sessions = [Session(engine) for _ in range(2)]
    async with sessions[0].transaction(), sessions[1].transaction():
        with pytest.raises(PoolTimeout) as caught:
            await read(engine)
    assert isinstance(as_busy(caught.value), Busy)


async def test_connections_beyond_the_pool_are_closed_when_they_come_back(core_database_url: str) -> None:
    engine = pool_of(core_database_url, size=1, overflow=1)
    pids = await fill(engine)
    gc.collect()
    with psycopg.connect(core_database_url) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)"
        while connection.execute(query, [list(pids)]).fetchall() != [(1,)]:
            connection.rollback()
    assert checked_out(engine) == 0
    await engine.dispose()


@pytest.mark.parametrize("use", [read, read_core, write, write_core])
async def test_nobody_notices_that_the_server_closed_idle_connections(
    core_database_url: str, engine: AsyncEngine, use: Use
) -> None:
    before = await fill(engine)
    kill(core_database_url, before)
    for _ in range(2):
        await use(engine)
    assert not await fill(engine) & before


async def test_a_connection_that_somebody_closed_is_replaced(engine: AsyncEngine) -> None:
    for _ in range(2):
        async with engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            await driver.close()
    await fill(engine)
    assert checked_out(engine) == 0


async def test_a_connection_that_dies_in_use_is_the_only_failure(core_database_url: str, engine: AsyncEngine) -> None:
    pids = await fill(engine)

    async def die() -> None:
        async with Session(engine).transaction() as transaction:
            await transaction.sql("SELECT 1")
            kill(core_database_url, pids)
            await transaction.execute(text("SELECT 1"))

    with pytest.raises(DBAPIError, match="terminating connection"):
        await die()
    for _ in range(3):
        await read(engine)
    assert not await fill(engine) & pids


async def test_a_rollback_that_fails_hides_no_error(core_database_url: str, engine: AsyncEngine) -> None:
    async def block() -> None:
        async with Session(engine).transaction() as transaction:
            [(pid,)] = await transaction.sql("SELECT pg_backend_pid()")
            kill(core_database_url, {pid})
            raise KeyError

    with pytest.raises(KeyError):
        await block()
    assert checked_out(engine) == 0
    await fill(engine)


async def test_a_begin_that_fails_gives_the_connection_back(engine: AsyncEngine) -> None:
    async def block() -> None:
        async with Session(engine).transaction() as transaction:
            await transaction.set_local("no_such_setting = 1")
            await transaction.sql("SELECT 1")

    with pytest.raises(psycopg.errors.UndefinedObject):
        await block()
    assert checked_out(engine) == 0
    await read(engine)


async def test_a_connection_left_in_a_transaction_does_not_come_back(engine: AsyncEngine) -> None:
    pids = await fill(engine)
    for _ in range(2):
        await Session(engine).sql("BEGIN")
    assert not await fill(engine) & pids


async def test_hot_statements_are_prepared_once_and_stay_so(engine: AsyncEngine) -> None:
    for _ in range(20):
        await Session(engine).sql("SELECT body FROM leaf WHERE body = %s", ["a"])
        async with Session(engine).transaction() as transaction:
            await transaction.sql("SELECT body FROM leaf WHERE body <> %s", ["a"])
    query = "SELECT statement FROM pg_prepared_statements WHERE statement LIKE %s"
    prepared = await Session(engine).sql(query, ["%leaf%"])
    assert len(prepared) == 2


async def test_sqlalchemys_own_transactions_are_transactions(engine: AsyncEngine) -> None:
    async def block() -> None:
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO leaf VALUES ('lost')"))
            raise KeyError

    with pytest.raises(KeyError):
        await block()
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO leaf VALUES ('kept')"))
    async with engine.connect() as connection:
        await connection.execute(text("INSERT INTO leaf VALUES ('lost')"))
    assert await Session(engine).sql("SELECT body FROM leaf") == [("kept",)]
