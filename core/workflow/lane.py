"""A lane: calls that follow each other, on at most one open transaction.

The run's own lane defers commits: the next call decides what travels with a COMMIT. Each branch of a `parallel` is a
lane of its own, which commits every step before its value is handed over.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from ..db import Transaction, as_busy
from .errors import CommitFailed, Stopped
from .journal import Change, Entry
from .record import Record


class Lane:
    """`eager`: each step commits before its value is handed over."""

    def __init__(self, record: Record, *, eager: bool) -> None:
        self.record = record
        self.eager = eager
        self.task: asyncio.Task[object] | None = None
        """The task of the branch that this lane is; None for the run's own lane."""
        self.stopped = False
        """Whether another branch failed: nothing new begins here."""
        self._sheltered = False
        self._open: Transaction | None = None
        self.unwritten: list[Entry] = []
        """What the open transaction's COMMIT will make durable."""

    @property
    def is_open(self) -> bool:
        """Whether a transaction is open."""
        return self._open is not None

    async def keep(self, transaction: Transaction, entry: Entry) -> None:
        """Take over the transaction of a step that is done, to commit it now or with what follows.

        What the database refuses at an immediate commit is raised as the step's own error, unless it had no time or no
        connection for it: the step has no part in that.
        """
        self.check_stopped()
        if not self.eager:
            self._open, self.unwritten = transaction, [entry]
            return
        try:
            with self.sheltered():
                await self.record.commit(transaction, self.record.running(), [entry])
            return
        except CommitFailed as failure:
            if as_busy(failure.cause) is not None:
                raise
            refused = failure.cause
        raise refused

    async def commit(self) -> None:
        """Commit what is open, if anything."""
        if self._open is not None:
            await self.flush(self.record.running())

    async def transaction(self) -> Transaction:
        """Return the open transaction, or a new one for the next flush; raises `CommitFailed`."""
        if self._open is None:
            self._open = await self.record.begin_flush()
        return self._open

    async def flush(self, change: Change, *entries: Entry) -> None:
        """Write entries and `change` with what is open, or in a transaction of their own."""
        with self.sheltered():
            transaction = await self.transaction()
            await self.record.commit(transaction, change, [*self.unwritten, *entries])
        self._open, self.unwritten = None, []

    async def commit_bare(self) -> None:
        """Commit what is open without a word in the journal."""
        if self._open is not None:
            await self.record.commit_bare(self._open)
            self._open, self.unwritten = None, []

    async def rollback(self) -> None:
        """Drop what is open."""
        if self._open is not None:
            await self._open.rollback()

    def stop(self) -> None:
        """Begin nothing new: interrupt what can be taken back, let a commit or an external attempt end."""
        if not self.stopped:
            self.stopped = True
            if self.task is not None and not self._sheltered:
                self.task.cancel()

    @contextmanager
    def sheltered(self) -> Generator[None]:
        """Let what is in the block end although the lane is stopped meanwhile."""
        outer, self._sheltered = self._sheltered, True
        try:
            yield
        finally:
            self._sheltered = outer

    def check_stopped(self) -> None:
        """Raise `Stopped` if the lane is."""
        if self.stopped:
            raise Stopped
