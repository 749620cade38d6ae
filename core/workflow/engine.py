"""The engine of one process: knows the workflows, owns the tasks that drive runs."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import msgspec
import structlog

from ..container import Container, Scope
from ..db import Session, Transaction
from ..errors import Busy, InvalidData, NoTransaction, OutcomeUnknown
from ..heartbeat import Heartbeat
from ..ids import new_id
from .call import Body
from .codec import encode
from .compensation import give_up_unknown
from .definition import Definition
from .dispatch import Dispatcher, load_dispatcher
from .errors import IdempotencyMismatch, RunInProgress, RunInsideTransaction, StepOutsideBody, UnstorableResult
from .gauges import Gauges
from .journal import find_by_id, find_by_key
from .outbox import Outbox
from .record import Record
from .recovery import Claimed
from .registry import Registry
from .runner import Answer, Runner
from .sweep import Sweep, stop

RECOVERY_PATIENCE = 30.0
"""Seconds that a run which was taken over waits for a database that is away; a later sweep takes it up again."""

DISPATCH_THREADS = 4

log = structlog.get_logger("holdfast.workflow")


class WorkflowEngine:
    """Drives runs in tasks of its own, so that a caller who goes away only stops waiting."""

    def __init__(self, container: Container, registry: Registry, heartbeat: Heartbeat) -> None:
        self._container = container
        self.registry = registry
        self.gauges = Gauges(container, registry)
        self._process_id = heartbeat.process_id
        self.outbox = Outbox(container, registry.subscriptions, self.dispatch)
        self._sweep = Sweep(container, registry, heartbeat, self._drive, self._driven)
        self._tasks: set[asyncio.Task[Answer]] = set()
        self._waiting: set[asyncio.Task[Answer]] = set()
        """Callers' waits for runs that are suspended: they drive nothing and end with this process."""
        self._dispatcher = load_dispatcher(container.config)
        # Of its own: steps may hold all threads of the loop.
        self._threads = ThreadPoolExecutor(DISPATCH_THREADS, thread_name_prefix="dispatch")
        self._nudges: set[asyncio.Task[None]] = set()
        self._closing = False

    def open(self, *, worker: bool = False) -> None:
        """Begin to take over what nobody drives any more, and what is due; queued runs are for a `worker`."""
        after = self._container.config.engine.queued_seconds if worker else None
        self._sweep.open(queued_after=0 if self._dispatcher is None else after)

    async def sweep(self) -> int:
        """Claim the runs that nobody drives and somebody should; returns how many there were."""
        return await self._sweep.sweep()

    async def take_up(self, run_id: str) -> None:
        """Drive a run now, if it is lost or due and its workflow is known here; queued ones are left to workers."""
        if not self._closing:
            await self._sweep.take_up(run_id, queued=self._dispatcher is None)

    async def drive(self, run_id: str) -> bool:
        """Drive a run, also a queued one, until it ends or waits; False if somebody else does, or nobody should.

        Cancelling this only stops the waiting.
        """
        tasks = [] if self._closing else await self._sweep.take_up(run_id, queued=True)
        if tasks:
            await asyncio.wait(tasks)
        return bool(tasks)

    def _drive(self, claimed: Claimed) -> asyncio.Task[Answer]:
        claimed.record.outbox = self.outbox
        runner = Runner(claimed.record, patience=RECOVERY_PATIENCE, steps=self.registry.steps, take_up=self.take_up)
        return self._own(asyncio.create_task(self._sweep.resume(runner, claimed), name=claimed.row.id))

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
        subject: str | None = None,
    ) -> Any:
        """Start a run and wait for its result; see `Workflow.run`."""
        if Body.running is not None:
            raise StepOutsideBody(f"workflow {definition.id} was run in the body of another one")
        if scope.session.in_transaction:
            raise RunInsideTransaction(f"workflow {definition.id} was run inside an open transaction")
        if scope.session.read_only:
            raise NoTransaction(f"a read step cannot run workflow {definition.id}: drop `read=True`")
        if self._closing:
            raise Busy("this process is shutting down")
        scope.replayed = False
        record = self._record(definition, scope, data, key, context, subject)
        runner = Runner(record, patience=wait.total_seconds(), steps=self.registry.steps, take_up=self.take_up)
        answer = await self._answer(runner, wait)
        scope.replayed = answer.replayed
        if answer.error is None:
            return answer.value
        try:
            raise answer.error
        finally:
            del answer  # else the error would hold this frame, and this frame the error

    async def _answer(self, runner: Runner, wait: timedelta) -> Answer:
        until = asyncio.get_running_loop().time() + wait.total_seconds()
        answer = await self._ends(self._own(asyncio.create_task(runner.run(), name=runner.awaits)), runner, until, wait)
        if not answer.suspended:
            return answer
        task = asyncio.create_task(runner.wait(), name=runner.awaits)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)
        try:
            return await self._ends(task, runner, until, wait)
        finally:
            task.cancel()
            del task  # else an error would hold this frame, and this frame the error

    async def _ends(self, task: asyncio.Task[Answer], runner: Runner, until: float, wait: timedelta) -> Answer:
        try:
            await asyncio.wait([task], timeout=until - asyncio.get_running_loop().time())
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

    def _record(
        self,
        definition: Definition[Any, Any],
        scope: Scope,
        data: object,
        key: str | None,
        context: Mapping[str, str] | None,
        subject: str | None = None,
    ) -> Record:
        try:
            given = encode(data, f"the input of {definition.id}")
            encode([key, subject, {**(context or {})}], f"key, subject or context of a run of {definition.id}")
            msgspec.convert({**(context or {})}, dict[str, str])
        except UnstorableResult as error:
            raise InvalidData(error.detail) from error
        except msgspec.ValidationError as error:
            raise InvalidData(f"the context of a run of {definition.id} has text alone: {error}") from error
        record = Record(
            self._container,
            self.registry.learn(definition),
            given,
            run_id=new_id("run"),
            key=scope.key_of_run(key),
            context={**scope.context, **(context or {})},
            created_at=self._container.clock.now(),
            owner=self._process_id,
        )
        record.subject = scope.subject if subject is None else subject
        record.outbox = self.outbox
        return record

    async def start(
        self,
        definition: Definition[Any, Any],
        scope: Scope,
        data: object,
        *,
        key: str | None,
        context: Mapping[str, str] | None,
        subject: str | None = None,
    ) -> tuple[str, bool]:
        """Leave a run to the workers, in the scope's transaction if one is open; return its id, and if it is new."""
        record = self._record(definition, scope, data, key, context, subject)
        record.argument()
        async with scope.transaction() as transaction:
            if not await record.enqueue(transaction):
                return await _run_with_key_of(record, Session(self._container.engine, transaction)), False
            transaction.on_commit(lambda: self.dispatch([record.run_id]))
        return record.run_id, True

    async def give_up(self, transaction: Transaction, run_id: str) -> None:
        """Move a run that nobody drives to its compensation, without its body; if it is there, end that.

        Raises `RunStateConflict` if it can be ended by undoing what is left.
        """
        session = Session(self._container.engine, transaction)
        found = await self._sweep.read(session, run_id)
        await found.record.adopt(session, found.row)
        if found.row.status == "compensating":
            await give_up_unknown(found.record, self.registry.steps, transaction)
        else:
            await found.record.give_up(transaction, found.row)

    def dispatch(self, run_ids: Sequence[str]) -> None:
        """See to it that queued runs are taken up soon: a hint to the workers, or else by this process."""
        if self._dispatcher is None:
            self.nudge()
        else:
            self._keep(asyncio.create_task(self._tell_workers(self._dispatcher, run_ids), name="dispatch"))

    async def _tell_workers(self, dispatcher: Dispatcher, run_ids: Sequence[str]) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, dispatcher.dispatch, run_ids)
        except Exception as error:
            log.warning("hint_lost", runs=len(run_ids), error=repr(error))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._nudges.add(task)
        task.add_done_callback(self._nudges.discard)

    def nudge(self, mended: str | None = None) -> None:
        """Look for runs to drive at once: there is one that is lost or due.

        `mended` is a run that is tried again although it could not be driven here: somebody has seen to it.
        """
        if mended is not None:
            self._sweep.forgive(mended)
        if self._sweep.is_open and not self._closing:
            self._sweep.wake()

    def _ended(self, task: asyncio.Task[Answer]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        if task.exception() is None and task.result().suspended:
            self._sweep.wake_at(task.result().due_at)
        error = task.exception() or task.result().error
        if error is not None:
            log.debug("run_failed", run_id=task.get_name(), error=repr(error))

    async def close(self, grace: float) -> None:
        """Take no new run; let the running ones end for `grace` seconds, then leave them to other processes."""
        self._closing = True
        opened = await self._sweep.close()
        await stop({*self._nudges})
        if self._dispatcher is not None:
            self._dispatcher.close()
        for task in self._waiting:
            task.cancel()
        left: set[asyncio.Task[Answer]] = set()
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=grace)
            await stop(left)
        if opened or left:
            await self._sweep.hand_over()


async def _run_with_key_of(record: Record, session: Session) -> str:
    """Return the run that has the key of `record`; `IdempotencyMismatch` if it was started with other input."""
    run_id = await find_by_key(session, record.definition.id, str(record.key))
    row = None if run_id is None else await find_by_id(session, run_id)
    if row is None:
        raise Busy(f"the run with key {record.key!r} went away a moment ago")
    if row.input_hash != record.input_hash:
        raise IdempotencyMismatch
    return row.id
