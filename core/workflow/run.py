"""The handle of a run: whoever has its id can wait for its end."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Generic, TypeVar, cast

from ..container import Container
from ..db import Session
from .definition import Definition
from .engine import WorkflowEngine
from .errors import RunInProgress, RunNotFound
from .journal import RunRow, find_by_id
from .runner import FIRST_POLL, LAST_POLL, outcome_of, patiently

R = TypeVar("R")

WAIT = timedelta(seconds=30)
DAY = timedelta(days=1)


class Run(Generic[R]):
    """A run that was started; outlives the scope that it came from."""

    def __init__(self, container: Container, engine: WorkflowEngine, id: str, definition: Definition[Any, R]) -> None:
        self.id = id
        self._container = container
        self._engine = engine
        self._definition = definition

    async def result(self, *, wait: timedelta = WAIT) -> R:
        """Wait for the run to end and return its result; cancelling only stops the waiting.

        Raises the run's error; `RunInProgress` after `wait`, `OutcomeUnknown` if the database is away then;
        `RunNotFound` once the run's retention is over.
        """
        answer = outcome_of(await self._ended(wait), self._definition, self.id)
        if answer.error is not None:
            raise answer.error
        return cast("R", answer.value)

    def watch(self, heard: Callable[[str], None], *, wait: timedelta = DAY) -> "asyncio.Task[None]":
        """Call `heard` with the state in which the run ends, exactly once; cancel the task to hear nothing.

        The task fails as `result` does when the run does not end within `wait`. To act on the end of a run whatever
        happens to this process, subscribe to an event.
        """
        return asyncio.create_task(self._watch(heard, wait), name=f"watch {self.id}")

    async def _watch(self, heard: Callable[[str], None], wait: timedelta) -> None:
        heard((await self._ended(wait, lambda row: row.ended)).status)

    async def _ended(self, wait: timedelta, over: Callable[[RunRow], bool] = lambda row: row.final) -> RunRow:
        """Return the run's row when it is `over`, by default when it has ended or is parked."""
        until = asyncio.get_running_loop().time() + wait.total_seconds()
        delay = FIRST_POLL
        while True:
            row = await patiently(self._row, self.id, until)
            if row is None:
                raise RunNotFound(f"there is no run {self.id}, or the transaction that starts it has not committed yet")
            if over(row):
                return row
            if asyncio.get_running_loop().time() + delay > until:
                raise RunInProgress(f"run {self.id} has not ended yet", run_id=self.id)
            await patiently(self._take_up, self.id, until)
            await asyncio.sleep(delay)
            delay = min(delay * 2, LAST_POLL)

    async def _row(self) -> RunRow | None:
        return await find_by_id(Session(self._container.engine), self.id)

    async def _take_up(self) -> None:
        await self._engine.take_up(self.id)
