"""Who has a transaction: a session is one scope's way to the database."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, LiteralString

import psycopg
from psycopg.abc import Params
from sqlalchemy import CursorResult, Executable, Row
from sqlalchemy.ext.asyncio import AsyncEngine

from ..errors import NoTransaction
from .checkout import Checkout, Tuple, Values


class Transaction:
    """One open transaction on one connection; two statements at once queue."""

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout
        self._opening: LiteralString = "BEGIN"
        self._turn = asyncio.Lock()
        self._ended = False
        self._on_commit: list[Callable[[], None]] = []
        self.undone = 0
        """How many savepoints were rolled back; with each went what a `SET LOCAL` said after it."""

    @classmethod
    async def begin(cls, engine: AsyncEngine) -> "Transaction":
        """Take a connection from the pool; BEGIN is sent before the first statement."""
        return cls(await Checkout.take(engine))

    async def execute(self, statement: Executable, values: Values = None) -> CursorResult[Any]:
        """Run a Core statement."""
        async with self._turn:
            return await (await self._begun()).execute(statement, values)

    async def sql(self, query: LiteralString, params: Params = ()) -> list[Tuple]:
        """Run a hot statement through psycopg, past SQLAlchemy; return its rows, if it has any."""
        async with self._turn:
            return await (await self._begun()).sql(query, params)

    async def set_local(self, setting: LiteralString) -> None:
        """Run `SET LOCAL` with, say, `lock_timeout = '2s'`; before the first statement it travels with BEGIN."""
        async with self._turn:
            self._check_open()
            if self._checkout.idle:
                self._opening += f"; SET LOCAL {setting}"
            else:
                await self._checkout.script(f"SET LOCAL {setting}")

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
        self._check_open()
        # First: after a COMMIT that failed there is nothing to roll back, and trying would hide what went wrong.
        self._ended = True
        try:
            async with self._turn:
                await self._checkout.commit()
        finally:
            await self._checkout.give_back()
        for act in self._on_commit:
            act()

    def on_commit(self, act: Callable[[], None]) -> None:
        """Call `act` once this has committed; it must not raise, and is a hint alone: a crash may come in between."""
        self._on_commit.append(act)

    async def rollback(self) -> None:
        """Roll back and give the connection back; never masks the error that led here, no-op when ended."""
        if self._ended:
            return
        self._ended = True
        try:
            # A connection that cannot roll back is thrown away: the server rolls back when it closes.
            with suppress(psycopg.Error):
                async with self._turn:
                    await self._checkout.rollback()
        finally:
            await self._checkout.give_back()

    async def discard(self) -> None:
        """Throw the connection away with all that was done on it, no-op when ended."""
        if not self._ended:
            self._ended = True
            await self._checkout.give_back()  # what is given back within a transaction is thrown away

    async def _begun(self) -> Checkout:
        """Return the connection, in the transaction; the status tells also what became of a cancelled BEGIN."""
        self._check_open()
        if self._checkout.idle:
            await self._checkout.script(self._opening)
        return self._checkout

    def _check_open(self) -> None:
        if self._ended:
            raise NoTransaction("the transaction has ended")


class Session:
    """The statements of one scope: inside its transaction where it has one, else each on its own.

    A `read_only` session (of a read step) refuses transactions.
    """

    def __init__(self, engine: AsyncEngine, transaction: Transaction | None = None, *, read_only: bool = False) -> None:
        self._engine = engine
        self._transaction = transaction
        self._read_only = read_only
        self._opening = asyncio.Lock()

    @property
    def read_only(self) -> bool:
        """Whether transactions are refused."""
        return self._read_only

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
        checkout = await Checkout.take(self._engine)
        try:
            return (await checkout.execute(statement, values)).all()
        finally:
            await checkout.give_back()

    async def sql(self, query: LiteralString, params: Params = ()) -> list[Tuple]:
        """Return the rows of a hot SELECT through psycopg."""
        if self._transaction is not None:
            return await self._transaction.sql(query, params)
        checkout = await Checkout.take(self._engine)
        try:
            return await checkout.sql(query, params)
        finally:
            await checkout.give_back()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """Commit at the end, roll back on an exception, join the open transaction when nested.

        Tasks that share a session share its transaction; it ends with the block that opened it.
        """
        async with self._opening:
            joined = self._transaction
            transaction = joined or await self._begin()
        if joined is not None:
            yield joined
            return
        try:
            try:
                yield transaction
            finally:
                self._transaction = None
        except BaseException:
            await transaction.rollback()
            raise
        await transaction.commit()

    async def _begin(self) -> Transaction:
        if self._read_only:
            raise NoTransaction("a read step cannot write: drop `read=True`")
        self._transaction = await Transaction.begin(self._engine)
        return self._transaction
