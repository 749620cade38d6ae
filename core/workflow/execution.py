"""One pass through a body: its steps in turn, with deferred commits.

A transactional step leaves its transaction open; the next engine call or the end of the body decides what travels
with its COMMIT. So k transactional steps cost k commits, and a run of one step costs one.
"""

import asyncio
import time
from typing import Any, TypeVar, cast

from msgspec import Raw, structs

from ..db import Session, Transaction, as_busy, connection_lost, is_transient
from ..errors import ConfigurationError, HoldfastError
from .call import Body, Call, Finished
from .codec import ErrorData, decode, describe_error, encode, error_data, hash_of, restore_error
from .compensation import Steps
from .errors import (
    CommitFailed,
    Decided,
    Fenced,
    Nondeterministic,
    Parked,
    UnstorableResult,
    WorkflowFailed,
)
from .invocation import invoke
from .journal import FAILURE_PATH, Change, Entry, Undo, find_by_id, find_by_key
from .record import Record
from .step import STEP_ATTEMPTS, AnyStep, StepCall, StepResponse

E = TypeVar("E", bound=BaseException)
Outcome = tuple[Any, HoldfastError | None]


class Execution:
    """Drives a body once. `eager`: each step commits before its value is handed over.

    Undoing what was done is not its business.
    """

    def __init__(self, record: Record, steps: Steps, *, eager: bool) -> None:
        self._record = record
        self._steps = steps
        self._engine = record.container.engine
        self._eager = eager
        self._open: Transaction | None = None
        self._calls = 0
        self._key_checked = record.key is None or record.stored

    async def drive(self) -> Finished | HoldfastError:
        """Return the decoded copy of what the body returned, or its error; either is committed.

        Raises the control-flow exceptions of `errors`.
        """
        body = Body(self._record.definition.body(self._record.argument()))
        value: Any = None
        error: HoldfastError | None = None
        try:
            while True:
                call = self._advance(body, value, error)
                if isinstance(call, Call):
                    value, error = await self._perform(call)
                    continue
                self._check_no_entry_left()
                if isinstance(call, Finished):
                    return await self._finish(call.value)
                return await self._fail(call)
        finally:
            body.close()
            if self._open is not None:
                await self._open.rollback()

    def _advance(self, body: Body, value: Any, error: HoldfastError | None) -> Call[Any] | Finished | HoldfastError:
        """Run the body to its next call or its end; an error that it raises is returned, typed."""
        try:
            call = body.advance(value, error)
            if isinstance(call, Finished):
                body.check_all_awaited()
            return call
        except HoldfastError as failure:
            return _without_engine(failure)
        # A body runs at one go: a cancellation that comes out of it is its own doing, and nobody cancels the run.
        except (Exception, asyncio.CancelledError) as failure:
            name = type(failure).__name__
            typed = WorkflowFailed(f"workflow {self._record.definition.id} failed: {name}: {failure}")
            typed.__cause__ = _without_engine(failure)
            return typed

    async def _perform(self, call: Call[Any]) -> Outcome:
        if not isinstance(call, StepCall):
            raise TypeError(f"{call.name} is not a call that this engine knows")
        self._calls += 1
        if self._steps.setdefault(call.step.id, call.step) is not call.step:
            return None, ConfigurationError(f"two steps have the id {call.step.id!r}")
        try:
            given = encode([call.args, call.kwargs], f"the input of step {call.step.id}")
        except UnstorableResult as error:
            return None, error
        entry = Entry(
            path=str(self._calls),
            step=call.step.id,
            kind=call.step.kind,
            input_hash=hash_of(given).hex(),
            ended_at=self._record.created_at,
            duration_ms=0,
        )
        if entry.path in self._record.recorded:
            return self._replay(call.step, self._record.recorded[entry.path], entry)
        self._check_no_entry_left()
        await self._commit_open()
        return await (self._read(call, entry) if entry.kind == "read" else self._transact(call, entry))

    def _replay(self, step: AnyStep[..., Any, Any], stored: Entry, called: Entry) -> Outcome:
        for field in ("step", "kind", "input_hash"):
            was, now = getattr(stored, field), getattr(called, field)
            if was != now:
                raise Parked(Nondeterministic(f"{field} at {called.path}: the journal has {was}, the body {now}"))
        if stored.error is not None:
            return None, restore_error(stored.error)
        return decode(bytes(stored.value), step.types[0], f"the result of step {step.id}"), None

    def _check_no_entry_left(self) -> None:
        left = [path for path in self._record.recorded if path != FAILURE_PATH and int(path) > self._calls]
        if left:
            raise Parked(Nondeterministic(f"the journal has {', '.join(left)}, which the body did not call"))

    async def _read(self, call: StepCall[Any], entry: Entry) -> Outcome:
        await self._check_key(Session(self._engine))
        started = time.perf_counter()
        try:
            value, entry = await self._invoke(call, entry, Session(self._engine, read_only=True))
        except Exception as error:
            return self._failed(entry, error, started)
        self._record.pending.append(self._timed(entry, started))
        return value, None

    async def _transact(self, call: StepCall[Any], entry: Entry) -> Outcome:
        started = time.perf_counter()
        while True:
            try:
                return await self._transact_once(call, entry, started), None
            except Exception as error:
                if entry.attempts == STEP_ATTEMPTS or not is_transient(error):
                    return self._failed(entry, error, started)
                entry = structs.replace(entry, attempts=entry.attempts + 1)

    async def _transact_once(self, call: StepCall[Any], entry: Entry, started: float) -> Any:
        transaction = await Transaction.begin(self._engine)
        try:
            session = Session(self._engine, transaction)
            await self._check_key(session)
            value, entry = await self._invoke(call, entry, session)
            self._record.pending.append(self._timed(entry, started))
            if self._eager:
                await self._commit_step(transaction)
            else:
                self._open = transaction
        except BaseException:
            await transaction.rollback()
            raise
        return value

    async def _commit_step(self, transaction: Transaction) -> None:
        """Commit at once; what the database then refuses is the step's own error, unless the connection broke."""
        try:
            await self._record.commit(transaction, self._record.running())
            return
        except CommitFailed as failure:
            if connection_lost(failure.cause):
                raise
            refused = failure.cause
        self._record.pending.pop()
        raise refused

    async def _invoke(self, call: StepCall[Any], entry: Entry, session: Session) -> tuple[Any, Entry]:
        """Run the step's function; return the decoded copy of its value, and the entry with the encoded one."""
        step = call.step
        returned = await invoke(self._record, entry, session, step.fn, *call.args, **call.kwargs)
        value, argument = _value_and_argument(returned)
        encoded = encode(value, f"the result of step {step.id}")
        undo = None
        if step.undo is not None:
            undo = Undo(entry.path, step.id, Raw(encode(argument, f"the undo argument of step {step.id}")))
        copy = decode(encoded, step.types[0], f"the result of step {step.id}")
        return copy, structs.replace(entry, value=Raw(encoded), undo=undo)

    def _failed(self, entry: Entry, error: Exception, started: float) -> Outcome:
        data = describe_error(as_busy(error) or error, entry.step)
        self._record.pending.append(self._timed(structs.replace(entry, error=data), started))
        restored = restore_error(data)
        restored.__cause__ = error
        return None, restored

    def _timed(self, entry: Entry, started: float) -> Entry:
        took = (time.perf_counter() - started) * 1000
        return structs.replace(entry, ended_at=self._record.container.clock.now(), duration_ms=round(took, 3))

    async def _check_key(self, session: Session) -> None:
        """Before the first call takes effect: raise `Decided` if another run owns our key."""
        if not self._key_checked:
            await self._look_key_up(session)
            self._key_checked = True

    async def _look_key_up(self, session: Session) -> None:
        record = self._record
        if record.key is None or record.stored:
            return
        run_id = await find_by_key(session, record.definition.id, record.key)
        if run_id == record.run_id:
            raise Fenced
        if run_id is not None:
            raise Decided(run_id)

    async def _look_for_our_own_row(self) -> None:
        """Before a replay fails without a row: raise `Fenced` if the COMMIT that seemed lost has landed after all."""
        if self._eager and await find_by_id(Session(self._engine), self._record.run_id) is not None:
            raise Fenced

    async def _commit_open(self) -> None:
        if self._open is not None:
            await self._record.commit(self._open, self._record.running())
            self._open = None

    async def _finish(self, value: Any) -> Finished | HoldfastError:
        record = self._record
        what = f"the result of workflow {record.definition.id}"
        try:
            encoded = encode(value, what)
            copy = Finished(decode(encoded, record.definition.types[1], what))
        except UnstorableResult as error:
            return await self._fail(error)
        if self._open is None and not record.stored and record.key is None:
            return copy
        if self._open is not None and not record.stored and not record.kept:
            await record.commit_bare(self._open)
            return copy
        await self._flush(record.ended("done", result=encoded))
        return copy

    async def _fail(self, error: HoldfastError) -> HoldfastError:
        """Journal the error with the compensations owed, if anything is to be remembered, and return it."""
        record = self._record
        if self._open is None and not record.stored:
            await self._look_for_our_own_row()
            await self._look_key_up(Session(self._engine))
            return error
        owed = record.owed()
        data = error_data(error, f"the error of workflow {record.definition.id}")
        record.pending.append(self._failure(data, owed))
        await self._flush(record.compensating() if owed else record.failed("failed", data))
        return error

    def _failure(self, error: ErrorData, owed: list[Undo]) -> Entry:
        now = self._record.container.clock.now()
        workflow = self._record.definition.id
        return Entry(
            path=FAILURE_PATH, step=workflow, kind="failure", error=error, undos=owed, ended_at=now, duration_ms=0
        )

    async def _flush(self, change: Change) -> None:
        transaction = self._open or await self._record.begin_flush()
        await self._record.commit(transaction, change)
        self._open = None


def _without_engine(error: E) -> E:
    """Drop the engine's frames above the body's from the traceback: they hold the error, and it would hold them."""
    place = error.__traceback__
    while place is not None and place.tb_frame.f_globals.get("__package__") == __package__:
        place = place.tb_next
    return error.with_traceback(place)


def _value_and_argument(returned: Any) -> tuple[Any, Any]:
    if isinstance(returned, StepResponse):
        returned = cast("StepResponse[Any, Any]", returned)
        return returned.value, returned.compensate_with
    return returned, returned
