"""One pass through a body, and its end.

A transactional step leaves its transaction open; the next engine call or the end of the body decides what travels
with its COMMIT. So k transactional steps cost k commits, and a run of one step costs one.
"""

from typing import Any

from ..db import Session
from ..errors import HoldfastError, InvalidData
from .call import Finished
from .codec import decode, encode, error_data
from .compensation import Steps
from .errors import CommitFailed, Fenced, Halted, Nondeterministic, Parked, Suspended, UnstorableResult
from .frame import Frame
from .journal import FAILURE_PATH, find_by_id
from .lane import Lane
from .performer import Performer
from .record import Record
from .signals import has_arrived

Outcome = Finished | HoldfastError | Suspended | None


class Execution:
    """Drives a body once. `eager`: each step commits before its value is handed over.

    Undoing what the run did is not its business.
    """

    def __init__(self, record: Record, steps: Steps, *, eager: bool) -> None:
        self._record = record
        self._lane = Lane(record, eager=eager)
        self._performer = Performer(record, steps)

    async def drive(self) -> Outcome:
        """Return the decoded copy of what the body returned, its error, or that it waits; each is committed.

        None means that another pass is needed: what the body waits for has arrived. Raises the control-flow exceptions
        of `errors`.
        """
        try:
            reason = self._record.reason_to_halt()
            if reason is not None and self._record.stored:
                return await self._fail(reason)
            return await self._drive_body()
        finally:
            await self._lane.rollback()

    async def _drive_body(self) -> Outcome:
        argument = self._argument()
        frame = Frame(self._record, self._lane, self._record.definition, "")
        try:
            ended = await frame.drive(argument, self._performer)
        except Halted as halted:
            return await self._fail(halted.error)
        except Suspended as suspended:
            return await self._suspend(suspended)
        if isinstance(ended, HoldfastError):
            return await self._fail(ended)
        return await self._finish(ended.value)

    async def _suspend(self, suspended: Suspended) -> Outcome:
        """Leave the run to itself until it is due, unless a signal that it waits for has come in."""
        record, lane = self._record, self._lane
        if suspended.signals and record.stored and await self._has_arrived(suspended.signals):
            await lane.flush(record.running())
            return None
        waiting = record.waiting(suspended.due_at)
        await lane.flush(waiting)
        reason = record.reason_to_halt() if record.cancelled else None
        return Suspended(waiting.due_at) if reason is None else await self._fail(reason)

    async def _has_arrived(self, signals: list[str]) -> bool:
        transaction = await self._lane.transaction()
        try:
            return await has_arrived(transaction, self._record.run_id, signals)
        except Exception as error:
            await transaction.rollback()
            raise CommitFailed(error) from error

    def _argument(self) -> Any:
        try:
            return self._record.argument()
        except InvalidData as error:
            if not self._record.stored:
                raise
            raise Parked(Nondeterministic(error.detail)) from error

    async def _finish(self, value: Any) -> Outcome:
        record, lane = self._record, self._lane
        what = f"the result of workflow {record.definition.id}"
        try:
            encoded = encode(value, what)
            copy = Finished(decode(encoded, record.definition.types[1], what))
        except UnstorableResult as error:
            return await self._fail(error)
        to_be_stored = record.stored or (record.kept if lane.is_open else record.key is not None)
        if not to_be_stored and not record.emits(lane.unwritten):
            entries = [*record.pending, *lane.unwritten]
            await lane.commit_bare()
            record.tell("done", entries)
        else:
            await lane.flush(record.ended("done", result=encoded))
        reason = record.reason_to_halt() if record.cancelled else None
        if reason is not None:
            return await self._fail(reason)
        record.write_log(everything=True)
        return copy

    async def _fail(self, error: HoldfastError) -> HoldfastError:
        """Journal the error with the compensations owed, if anything is to be remembered, and return it."""
        record, lane = self._record, self._lane
        if not lane.is_open and not record.stored:
            await self._look_for_our_own_row()
            await record.look_key_up(Session(record.container.engine))
            record.write_log(everything=True)
            record.tell("failed", record.pending)
            return error
        owed = record.owed(unwritten=lane.unwritten)
        data = error_data(error, f"the error of workflow {record.definition.id}")
        failure = record.failure(record.entry(FAILURE_PATH, record.definition.id, "failure"), data, owed)
        await lane.flush(record.compensating() if owed else record.failed(data), failure)
        record.write_log(everything=True)
        return error

    async def _look_for_our_own_row(self) -> None:
        """Before a replay fails without a row: raise `Fenced` if the COMMIT that seemed lost has landed after all."""
        engine = self._record.container.engine
        if self._lane.eager and await find_by_id(Session(engine), self._record.run_id) is not None:
            raise Fenced
