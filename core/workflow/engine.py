"""The engine of one process: knows the workflows, owns the tasks that drive runs."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog

from ..container import Container, Scope
from ..errors import Busy, InvalidData, OutcomeUnknown
from ..heartbeat import Heartbeat
from ..ids import new_id
from .call import Body
from .codec import encode
from .definition import Definition
from .errors import RunInProgress, RunInsideTransaction, StepOutsideBody, UnstorableResult
from .journal import RunRow
from .record import Record
from .recovery import Recovery
from .registry import Registry
from .runner import Answer, Runner, UndoUnknown

RECOVERY_PATIENCE = 30.0
"""Seconds that a run which was taken over waits for a database that is away; a later sweep takes it up again."""

log = structlog.get_logger("holdfast.workflow")


class WorkflowEngine:
    """Drives runs in tasks of its own, so that a caller who goes away only stops waiting."""

    def __init__(self, container: Container, registry: Registry, heartbeat: Heartbeat) -> None:
        self._container = container
        self._registry = registry
        self._process_id = heartbeat.process_id
        self._recovery = Recovery(container, registry, heartbeat)
        self._sweeping: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Answer]] = set()
        self._claimed: set[asyncio.Task[Answer]] = set()
        """What the sweep has claimed: no more than there are connections, lest a step waits for one in vain."""
        self._closing = False

    def open(self) -> None:
        """Begin to take over what nobody drives any more."""
        self._sweeping = asyncio.create_task(self._keep_sweeping(), name="sweep")

    async def _keep_sweeping(self) -> None:
        while True:
            await asyncio.sleep(self._container.config.engine.beat_seconds)
            try:
                await self.sweep()
            except Exception as error:
                log.warning("sweep_failed", error=repr(error))

    async def sweep(self) -> int:
        """Claim the runs that nobody drives any more and begin to drive them; returns how many there were."""
        taken = 0
        await self._recovery.forget_the_dead()
        while claimed := await self._claim(await self._free_turns()):
            for record, row in claimed:
                task = self._drive(record, row)
                self._claimed.add(task)
                task.add_done_callback(self._claimed.discard)
            taken += len(claimed)
        return taken

    async def _claim(self, limit: int) -> list[tuple[Record, RunRow]]:
        return await self._recovery.claim(await self._recovery.orphans(self._driven), limit)

    async def _free_turns(self) -> int:
        turns = self._container.config.database.pool_size
        while len(self._claimed) >= turns:
            await asyncio.wait(self._claimed, return_when=asyncio.FIRST_COMPLETED)
        return turns - len(self._claimed)

    async def _take_up(self, run_id: str) -> None:
        """Drive a run that another one waits for, if it is lost: the sweep may have its hands full of such waiters."""
        if not self._closing:
            for record, row in await self._recovery.claim_this(run_id):
                self._drive(record, row)

    def _drive(self, record: Record, row: RunRow) -> asyncio.Task[Answer]:
        steps = dict(self._registry.steps)
        runner = Runner(record, patience=RECOVERY_PATIENCE, steps=steps, take_up=self._take_up)
        return self._own(asyncio.create_task(self._resume(runner, row), name=row.id))

    async def _resume(self, runner: Runner, row: RunRow) -> Answer:
        try:
            answer = await self._resume_or_let_go(runner, row)
        except Exception as error:
            self._recovery.avoid(row.id, error)
            raise
        self._recovery.driven(row.id)
        return answer

    async def _resume_or_let_go(self, runner: Runner, row: RunRow) -> Answer:
        try:
            return await runner.resume(row)
        except UndoUnknown as error:
            await self._recovery.let_go(row, error)
            return Answer()

    def _driven(self) -> set[str]:
        return {task.get_name() for task in self._tasks}

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
        runner = self._runner(definition, scope, data, scope.key_of_run(key), wait, context)
        answer = await self._answer(runner, wait)
        scope.replayed = answer.replayed
        if answer.error is None:
            return answer.value
        try:
            raise answer.error
        finally:
            del answer  # else the error would hold this frame, and this frame the error

    async def _answer(self, runner: Runner, wait: timedelta) -> Answer:
        task = self._own(asyncio.create_task(runner.run(), name=runner.awaits))
        try:
            await asyncio.wait([task], timeout=wait.total_seconds())
            if not task.done():
                raise RunInProgress(f"run {runner.awaits} takes longer than {wait}", run_id=runner.awaits)
            if task.cancelled():
                raise OutcomeUnknown(f"run {runner.awaits} was interrupted: this process is shutting down")
            return task.result()
        finally:
            del task  # as above

    def _own(self, task: asyncio.Task[Answer]) -> asyncio.Task[Answer]:
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _runner(
        self,
        definition: Definition[Any, Any],
        scope: Scope,
        data: object,
        key: str | None,
        wait: timedelta,
        context: Mapping[str, str] | None,
    ) -> Runner:
        try:
            given = encode(data, f"the input of {definition.id}")
        except UnstorableResult as error:
            raise InvalidData(error.detail) from error
        record = Record(
            self._container,
            definition,
            given,
            run_id=new_id("run"),
            key=key,
            context={**scope.context, **(context or {})},
            created_at=self._container.clock.now(),
            owner=self._process_id,
        )
        return Runner(record, patience=wait.total_seconds(), take_up=self._take_up)

    def _ended(self, task: asyncio.Task[Answer]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception() or task.result().error
        if error is not None:
            log.debug("run_failed", run_id=task.get_name(), error=repr(error))

    async def close(self, grace: float) -> None:
        """Take no new run; let the running ones end for `grace` seconds, then leave them to other processes."""
        self._closing = True
        if self._sweeping is not None:
            await _stop({self._sweeping})
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=grace)
            await _stop(left)
        if self._sweeping is not None:
            await self._hand_over()
            self._sweeping = None

    async def _hand_over(self) -> None:
        try:
            await self._recovery.hand_over()
        except Exception as error:
            # They are found all the same, one lease later.
            log.warning("hand_over_failed", error=repr(error))


async def _stop(tasks: "set[asyncio.Task[Any]]") -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
