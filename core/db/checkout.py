"""A connection out of the pool, past SQLAlchemy's way of beginning and ending transactions."""

import select
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString, cast

import psycopg
from psycopg.abc import Params
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, CursorResult, Executable, PoolProxiedConnection, QueuePool
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

from .engine import AUTOCOMMIT

Tuple = tuple[Any, ...]
Values = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


class Checkout:
    """One connection until it is given back, in autocommit mode until a BEGIN is sent."""

    # `SELECT 1` takes 50 µs of CPU like this, 80 with a greenlet each for taking and giving back, and 150 through
    # `AsyncEngine.connect()`, which also switches the isolation level and back. A hold needs three connections.

    def __init__(self, engine: AsyncEngine, pooled: PoolProxiedConnection) -> None:
        self._engine = engine
        self._pool = cast("QueuePool", engine.sync_engine.pool)
        self._pooled = pooled
        self._driver = cast("psycopg.AsyncConnection[Tuple]", pooled.driver_connection)
        self._core: Connection | None = None

    @classmethod
    async def take(cls, engine: AsyncEngine) -> "Checkout":
        """Take a connection from the pool of an engine that `create_engine` made.

        Raises SQLAlchemy's `TimeoutError` if none becomes free in time.
        """
        while True:
            checkout = cls(engine, await _connect(engine))
            if not checkout._hung_up():
                return checkout
            await greenlet_spawn(checkout._pooled.invalidate)

    @property
    def idle(self) -> bool:
        """Whether the connection is alive and outside of a transaction."""
        return self._driver.pgconn.transaction_status == TransactionStatus.IDLE

    async def execute(self, statement: Executable, values: Values = None) -> CursorResult[Any]:
        """Run a Core statement."""
        if self._core is None:
            connection = Connection(self._engine.sync_engine, self._pooled)
            self._core = connection.execution_options(**{AUTOCOMMIT: True})
        return await greenlet_spawn(self._core.execute, statement, values)

    async def sql(self, query: LiteralString, params: Params = ()) -> list[Tuple]:
        """Run one statement through psycopg and return its rows, `[]` where it has none."""
        cursor = await self._driver.execute(query, params)
        return await cursor.fetchall() if cursor.description else []

    async def script(self, queries: LiteralString) -> None:
        """Run statements without parameters in one round trip."""
        await self._driver.execute(queries, prepare=False)

    async def commit(self) -> None:
        """Commit what has been begun, if anything has; `InFailedSqlTransaction` if an error of it was swallowed."""
        # The server answers such a COMMIT with a rollback, and calls that a success.
        if self._driver.pgconn.transaction_status == TransactionStatus.INERROR:
            raise psycopg.errors.InFailedSqlTransaction("the transaction failed, so nothing of it can be committed")
        await self._driver.commit()

    async def rollback(self) -> None:
        """Roll back what has been begun, if anything has."""
        await self._driver.rollback()

    async def give_back(self) -> None:
        """Return the connection to the pool; throw it away unless it is alive and idle.

        Nothing in here suspends the task, so no cancellation can come in between.
        """
        if self._pooled.is_valid and not self.idle:
            await greenlet_spawn(self._pooled.invalidate)
        if self._core is None and self._pool.overflow() <= 0:
            self._pooled.close()
        else:
            await greenlet_spawn((self._core or self._pooled).close)

    def _hung_up(self) -> bool:
        """Tell whether the server has closed the connection: to an idle one it has nothing else to say."""
        if self._driver.closed:
            return True
        incoming = select.poll()
        incoming.register(self._driver.fileno(), select.POLLIN)
        return bool(incoming.poll(0))


async def _connect(engine: AsyncEngine) -> PoolProxiedConnection:
    """Take a connection, without a greenlet unless it has to be made, replaced or waited for."""
    try:
        return engine.sync_engine.pool.connect()
    except MissingGreenlet:
        return await greenlet_spawn(engine.sync_engine.pool.connect)
