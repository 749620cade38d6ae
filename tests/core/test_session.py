import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from core.config import Config, Database
from core.db import Session, Transaction, create_engine
from core.errors import NoTransaction


@pytest.fixture
async def engine(core_database_url: str) -> AsyncGenerator[AsyncEngine]:
    """A pool of two connections to a database with one empty table, `note (body text primary key)`."""
    limits = Database(url=core_database_url, pool_size=2, pool_overflow=0, pool_timeout_seconds=1)
    engine = create_engine(Config(database=limits))
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE note (body text PRIMARY KEY)"))
    yield engine
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE note"))
    await engine.dispose()


async def write(session: Session, body: str) -> None:
    await session.writable("test").sql("INSERT INTO note VALUES (%s)", [body])


async def notes(engine: AsyncEngine) -> list[str]:
    return [body for (body,) in await Session(engine).sql("SELECT body FROM note ORDER BY body")]


async def test_a_block_commits_at_its_end(engine: AsyncEngine) -> None:
    session = Session(engine)
    async with session.transaction():
        await write(session, "a")
        assert session.in_transaction
        assert await notes(engine) == []
    assert not session.in_transaction
    assert await notes(engine) == ["a"]


async def test_an_exception_rolls_back(engine: AsyncEngine) -> None:
    session = Session(engine)

    async def block() -> None:
        async with session.transaction():
            await write(session, "a")
            raise KeyError

    with pytest.raises(KeyError):
        await block()
    assert await notes(engine) == []


async def test_a_block_that_swallowed_an_error_of_the_database_does_not_pass_for_committed(engine: AsyncEngine) -> None:
    session = Session(engine)

    async def block() -> None:
        async with session.transaction() as transaction:
            await write(session, "a")
            with suppress(psycopg.Error):
                await transaction.sql("SELECT 1 / 0")

    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        await block()
    assert await notes(engine) == []


async def test_an_inner_block_joins_the_outer_one(engine: AsyncEngine) -> None:
    session = Session(engine)
    async with session.transaction() as outer:
        async with session.transaction() as inner:
            assert inner is outer
            await write(session, "a")
        assert await notes(engine) == []
    assert await notes(engine) == ["a"]


@pytest.mark.parametrize("connected", [False, True])
async def test_two_blocks_that_open_at_the_same_time_are_one_transaction(
    engine: AsyncEngine, *, connected: bool
) -> None:
    session, met = Session(engine), asyncio.Barrier(2)

    async def block(body: str) -> Transaction:
        async with session.transaction() as transaction:
            await write(session, body)
            await met.wait()
            assert await notes(engine) == []
            await met.wait()
        return transaction

    if not connected:
        await engine.dispose()
    one, other = await asyncio.gather(block("a"), block("b"))
    assert one is other
    assert not session.in_transaction
    assert await notes(engine) == ["a", "b"]


async def test_a_task_inside_of_a_block_joins_it(engine: AsyncEngine) -> None:
    session = Session(engine)

    async def inner(body: str) -> None:
        async with session.transaction():
            await write(session, body)

    async with session.transaction():
        await asyncio.gather(inner("a"), inner("b"))
        assert await notes(engine) == []
    assert await notes(engine) == ["a", "b"]


async def test_a_transaction_that_has_ended_refuses_statements(engine: AsyncEngine) -> None:
    async with Session(engine).transaction() as transaction:
        await transaction.sql("SELECT 1")
    for attempt in (
        transaction.sql("SELECT 1"),
        transaction.execute(text("SELECT 1")),
        transaction.set_local("lock_timeout = '2s'"),
        transaction.commit(),
    ):
        with pytest.raises(NoTransaction, match="has ended"):
            await attempt
    await transaction.rollback()


async def test_settings_travel_with_begin_and_end_with_the_transaction(engine: AsyncEngine) -> None:
    async def setting(transaction: Transaction) -> object:
        return await transaction.sql("SELECT current_setting('lock_timeout')")

    session = Session(engine)
    for _ in range(16):  # on two connections, beyond the repetitions at which psycopg prepares a statement
        async with session.transaction() as transaction:
            await transaction.set_local("lock_timeout = '2s'")
            assert await setting(transaction) == [("2s",)]
            await transaction.set_local("lock_timeout = '1s'")
            assert await setting(transaction) == [("1s",)]
        assert await session.sql("SELECT current_setting('lock_timeout')") == [("5s",)]


async def test_a_core_statement_is_in_the_transaction_from_the_first(engine: AsyncEngine) -> None:
    session = Session(engine)

    async def block() -> None:
        async with session.transaction() as transaction:
            await transaction.execute(text("INSERT INTO note VALUES ('lost')"))
            await write(session, "lost too")
            raise KeyError

    with pytest.raises(KeyError):
        await block()
    assert await notes(engine) == []


async def test_a_write_outside_a_block_is_refused_by_name(engine: AsyncEngine) -> None:
    with pytest.raises(NoTransaction, match=r"staff\.create"):
        Session(engine).writable("staff.create")


async def test_a_read_only_session_has_no_transactions(engine: AsyncEngine) -> None:
    with pytest.raises(NoTransaction, match="read step"):
        async with Session(engine, read_only=True).transaction():
            pass


async def test_a_read_outside_a_block_gives_its_connection_back_at_once(engine: AsyncEngine) -> None:
    sessions = [Session(engine) for _ in range(8)]
    found = await asyncio.gather(*(session.read(text("SELECT 1")) for session in sessions))
    assert [row[0] for (row,) in found] == [1] * 8
    state = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
    assert [tuple(row) for row in await sessions[0].read(text(state))] == [(0,)]


async def test_reads_in_a_block_see_its_writes_either_way(engine: AsyncEngine) -> None:
    session = Session(engine)
    async with session.transaction():
        await write(session, "a")
        assert [tuple(row) for row in await session.read(text("SELECT body FROM note"))] == [("a",)]
        assert await session.sql("SELECT body FROM note") == [("a",)]


async def test_two_statements_at_once_queue(engine: AsyncEngine) -> None:
    session = Session(engine)
    async with session.transaction():
        await asyncio.gather(*(write(session, str(number)) for number in range(5)))
    assert await notes(engine) == ["0", "1", "2", "3", "4"]


async def test_a_failed_savepoint_undoes_its_block_alone(engine: AsyncEngine) -> None:
    session = Session(engine)

    async def attempt(transaction: Transaction) -> None:
        async with transaction.savepoint():
            await write(session, "lost")
            await write(session, "kept")

    async with session.transaction() as transaction:
        await write(session, "kept")
        with pytest.raises(psycopg.errors.UniqueViolation):
            await attempt(transaction)
        async with transaction.savepoint():
            await write(session, "kept too")
    assert await notes(engine) == ["kept", "kept too"]


async def test_savepoints_nest(engine: AsyncEngine) -> None:
    session = Session(engine)

    async def attempt(transaction: Transaction, *bodies: str) -> None:
        """Write in one savepoint within another; every one of them fails."""
        async with transaction.savepoint():
            await write(session, bodies[0])
            if bodies[1:]:
                with suppress(KeyError):
                    await attempt(transaction, *bodies[1:])
            raise KeyError

    async with session.transaction() as transaction:
        with pytest.raises(KeyError):
            await attempt(transaction, "outer", "middle", "inner")
    assert await notes(engine) == []


async def test_a_killed_connection_is_replaced_and_its_error_not_masked(engine: AsyncEngine) -> None:
    session = Session(engine)

    async def block() -> None:
        async with session.transaction() as transaction:
            [(pid,)] = await transaction.sql("SELECT pg_backend_pid()")
            await Session(engine).sql("SELECT pg_terminate_backend(%s)", [pid])
            await transaction.sql("SELECT 1")

    with pytest.raises(psycopg.errors.AdminShutdown):
        await block()
    async with session.transaction():
        await write(session, "after")
    assert await notes(engine) == ["after"]


async def test_limits_and_time_zone_are_set_on_every_connection(engine: AsyncEngine) -> None:
    names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "TimeZone"]
    async with Session(engine).transaction() as transaction:
        for name, expected in zip(names, ["10s", "5s", "10s", "UTC"], strict=True):
            assert await transaction.sql("SELECT current_setting(%s)", [name]) == [(expected,)]


async def test_a_failed_core_statement_raises_and_rolls_back(engine: AsyncEngine) -> None:
    session = Session(engine)

    async def block() -> None:
        async with session.transaction() as transaction:
            await write(session, "a")
            await transaction.execute(text("SELECT nonsense"))

    with pytest.raises(DBAPIError):
        await block()
    assert await notes(engine) == []
