"""The engine of one process: knows the workflows, owns the tasks that drive runs."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import structlog

from ..container import Container, Scope
from ..errors import Busy, ConfigurationError, HoldfastError, InvalidData, OutcomeUnknown
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
        task = self._start(definition, scope, data, scope.key_of_run(key), wait, context)
        done, _ = await asyncio.wait([task], timeout=wait.total_seconds())
        if not done:
            raise RunInProgress(f"{definition.id} takes longer than {wait}: it goes on", run_id=task.get_name())
        if task.cancelled():
            raise OutcomeUnknown(f"run {task.get_name()} was interrupted: this process is shutting down")
        try:
            answer = task.result()
        except HoldfastError as error:
            scope.replayed = error.replayed
            raise
        scope.replayed = answer.replayed
        return answer.value

    def _start(
        self,
        definition: Definition[Any, Any],
        scope: Scope,
        data: object,
        key: str | None,
        wait: timedelta,
        context: Mapping[str, str] | None,
    ) -> asyncio.Task[Answer]:
        merged = {**scope.context, **(context or {})}
        try:
            record = Record(self._container, definition, data, key=key, context=merged, owner=self._process_id)
        except UnstorableResult as error:
            raise InvalidData(error.detail) from error
        runner = Runner(record, patience=wait.total_seconds())
        task = asyncio.create_task(runner.run(), name=record.run_id)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Answer]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
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
