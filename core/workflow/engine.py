"""The engine of one process: knows the workflows, owns the tasks that drive runs."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import structlog

from ..container import Container, Scope
from ..errors import Busy, ConfigurationError, InvalidData, OutcomeUnknown
from .call import Body
from .definition import Definition
from .errors import RunInProgress, RunInsideTransaction, StepOutsideBody, UnstorableResult
from .record import Record
from .runner import Answer, Runner

log = structlog.get_logger("holdfast.workflow")


class WorkflowEngine:
    """Drives runs in tasks of its own, so that a caller who goes away only stops waiting."""

    def __init__(self, container: Container, definitions: Iterable[Definition[Any, Any]], *, process_id: str) -> None:
        self._container = container
        self._process_id = process_id
        self._tasks: set[asyncio.Task[Answer]] = set()
        self._closing = False
        self.definitions: dict[tuple[str, int], Definition[Any, Any]] = {}
        for definition in definitions:
            self._add(definition)

    def _add(self, definition: Definition[Any, Any]) -> None:
        known = self.definitions.setdefault((definition.id, definition.version), definition)
        if known is not definition:
            raise ConfigurationError(f"two workflows have the id {definition.id!r}, version {definition.version}")

    async def run(
        self,
        definition: Definition[Any, Any],
        scope: Scope,
        data: object,
        *,
        key: str | None,
        wait: timedelta,
        context: Mapping[str, str] | None,
    ) -> Any:
        """Start a run and wait for its result; see `Workflow.run`."""
        if Body.running is not None:
            raise StepOutsideBody(f"workflow {definition.id} was run in the body of another one")
        if scope.session.in_transaction:
            raise RunInsideTransaction(f"workflow {definition.id} was run inside an open transaction")
        if self._closing:
            raise Busy("this process is shutting down")
        scope.replayed = False
        answer = await self._answer(self._runner(definition, scope, data, key, wait, context), wait)
        scope.replayed = answer.replayed
        if answer.error is None:
            return answer.value
        try:
            raise answer.error
        finally:
            del answer  # else the error would hold this frame, and this frame the error

    async def _answer(self, runner: Runner, wait: timedelta) -> Answer:
        task = asyncio.create_task(runner.run(), name=runner.awaits)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        try:
            await asyncio.wait([task], timeout=wait.total_seconds())
            if not task.done():
                raise RunInProgress(f"run {runner.awaits} takes longer than {wait}", run_id=runner.awaits)
            if task.cancelled():
                raise OutcomeUnknown(f"run {runner.awaits} was interrupted: this process is shutting down")
            return task.result()
        finally:
            del task  # as above

    def _runner(
        self,
        definition: Definition[Any, Any],
        scope: Scope,
        data: object,
        key: str | None,
        wait: timedelta,
        context: Mapping[str, str] | None,
    ) -> Runner:
        merged = {**scope.context, **(context or {})}
        try:
            record = Record(self._container, definition, data, key=key, context=merged, owner=self._process_id)
        except UnstorableResult as error:
            raise InvalidData(error.detail) from error
        return Runner(record, patience=wait.total_seconds())

    def _ended(self, task: asyncio.Task[Answer]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception() or task.result().error
        if error is not None:
            log.debug("run_failed", run_id=task.get_name(), error=repr(error))

    async def close(self, grace: float) -> None:
        """Take no new run; let the running ones end for `grace` seconds, then stop driving them."""
        self._closing = True
        if not self._tasks:
            return
        _, left = await asyncio.wait(self._tasks, timeout=grace)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
