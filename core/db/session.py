"""Who has a transaction: a session is one scope's way to the database."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString, cast
from weakref import WeakKeyDictionary

import psycopg
from psycopg.abc import Params
from sqlalchemy import CursorResult, Executable, Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ..errors import NoTransaction

Tuple = tuple[Any, ...]
Values = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None

_autocommit: WeakKeyDictionary[AsyncEngine, AsyncEngine] = WeakKeyDictionary()


class Transaction:
    """One open transaction on one connection; two statements at once queue."""

    def __init__(self, connection: AsyncConnection, driver: psycopg.AsyncConnection[Tuple]) -> None:
        self._connection = connection
        self._driver = driver
        self._turn = asyncio.Lock()
        self._ended = False
        self.undone = 0
        """How many savepoints were rolled back; with each went what a `SET LOCAL` said after it."""

    @classmethod
    async def begin(cls, engine: AsyncEngine) -> "Transaction":
        """Take a connection from the pool; BEGIN travels with the first statement."""
        connection = await engine.connect()
        try:
            await connection.begin()
            return cls(connection, await driver_of(connection))
        except BaseException:
            # Also when cancelled: the pool would be one connection short for good.
            await connection.close()
            raise

    async def execute(self, statement: Executable, values: Values = None) -> CursorResult[Any]:
        """Run a Core statement."""
        async with self._turn:
            return await self._connection.execute(statement, values)

    async def sql(self, query: LiteralString, params: Params = ()) -> list[Tuple]:
        """Run a hot statement through psycopg, past SQLAlchemy; return its rows, if it has any."""
        async with self._turn:
            return await fetch(self._driver, query, params)

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """Undo the block alone when it raises; the transaction goes on."""
        await self.sql("SAVEPOINT attempt")
        try:
            yield
        except Exception:
            await self.sql("ROLLBACK TO SAVEPOINT attempt")
            self.undone += 1
            # It outlives the rollback, and would hide one of the same name around it.
            await self.sql("RELEASE SAVEPOINT attempt")
            raise
        await self.sql("RELEASE SAVEPOINT attempt")

    async def commit(self) -> None:
        """Commit and give the connection back, also when the commit fails."""
        # First: after a COMMIT that failed there is nothing to roll back, and trying would hide what went wrong.
        self._ended = True
        try:
            await self._connection.commit()
        finally:
            await self._release()

    async def rollback(self) -> None:
        """Roll back and give the connection back; never masks the error that led here, no-op when ended."""
        if self._ended:
            return
        self._ended = True
        try:
            await self._connection.rollback()
        except (DBAPIError, psycopg.Error):
            # A connection that cannot roll back is thrown away: the server rolls back when it closes.
            await self._connection.invalidate()
        finally:
            await self._release()

    async def _release(self) -> None:
        # SQLAlchemy does not see what psycopg saw: a dead connection must not go back into the pool.
        if self._driver.closed and not self._connection.invalidated:
            await self._connection.invalidate()
        await self._connection.close()


class Session:
    """The statements of one scope: inside its transaction where it has one, else each on its own.

    A `read_only` session (of a read step) refuses transactions.
    """

    def __init__(self, engine: AsyncEngine, transaction: Transaction | None = None, *, read_only: bool = False) -> None:
        self._engine = engine
        self._autocommit = autocommit(engine)
        self._transaction = transaction
        self._read_only = read_only

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._transaction is not None

    def writable(self, method: str) -> Transaction:
        """Return the open transaction; raise `NoTransaction`, naming the method that wants to write."""
        if self._transaction is None:
            raise NoTransaction(f"{method} writes: put `async with scope.transaction():` around it")
        return self._transaction

    async def read(self, statement: Executable, values: Values = None) -> Sequence[Row[Any]]:
        """Return all rows of a SELECT; outside a transaction a connection is borrowed for it alone."""
        if self._transaction is not None:
            return (await self._transaction.execute(statement, values)).all()
        async with self._autocommit.connect() as connection:
            return (await connection.execute(statement, values)).all()

    async def sql(self, query: LiteralString, params: Params = ()) -> list[Tuple]:
        """Return the rows of a hot SELECT through psycopg."""
        if self._transaction is not None:
            return await self._transaction.sql(query, params)
        async with self._autocommit.connect() as connection:
            return await fetch(await driver_of(connection), query, params)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """Commit at the end, roll back on an exception, join the open transaction when nested."""
        if self._transaction is not None:
            yield self._transaction
            return
        if self._read_only:
            raise NoTransaction("a read step cannot write: drop `read=True`")
        transaction = await Transaction.begin(self._engine)
        self._transaction = transaction
        try:
            yield transaction
        except BaseException:
            await transaction.rollback()
            raise
        else:
            await transaction.commit()
        finally:
            self._transaction = None


def autocommit(engine: AsyncEngine) -> AsyncEngine:
    """Return the engine's twin on the same pool; made once, since making one costs as much as a short statement."""
    if engine not in _autocommit:
        _autocommit[engine] = engine.execution_options(isolation_level="AUTOCOMMIT")
    return _autocommit[engine]


async def driver_of(connection: AsyncConnection) -> psycopg.AsyncConnection[Tuple]:
    """Return the psycopg connection under a SQLAlchemy one."""
    driver = (await connection.get_raw_connection()).driver_connection
    if not isinstance(driver, psycopg.AsyncConnection):
        raise TypeError(f"expected a psycopg connection, got {driver!r}")
    return cast("psycopg.AsyncConnection[Tuple]", driver)


async def fetch(driver: psycopg.AsyncConnection[Tuple], query: LiteralString, params: Params) -> list[Tuple]:
    """Run one statement and return its rows, `[]` where it has none."""
    cursor = await driver.execute(query, params)
    return await cursor.fetchall() if cursor.description else []
