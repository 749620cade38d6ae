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
from .errors import Fenced, Nondeterministic, Parked, UnstorableResult
from .frame import Frame
from .journal import FAILURE_PATH, find_by_id
from .lane import Lane
from .performer import Performer
from .record import Record


class Execution:
    """Drives a body once. `eager`: each step commits before its value is handed over.

    Undoing what the run did is not its business.
    """

    def __init__(self, record: Record, steps: Steps, *, eager: bool) -> None:
        self._record = record
        self._lane = Lane(record, eager=eager)
        self._performer = Performer(record, steps)

    async def drive(self) -> Finished | HoldfastError:
        """Return the decoded copy of what the body returned, or its error; either is committed.

        Raises the control-flow exceptions of `errors`.
        """
        argument = self._argument()
        frame = Frame(self._record, self._lane, self._record.definition, "")
        try:
            ended = await frame.drive(argument, self._performer)
            if isinstance(ended, HoldfastError):
                return await self._fail(ended)
            return await self._finish(ended.value)
        finally:
            await self._lane.rollback()

    def _argument(self) -> Any:
        try:
            return self._record.argument()
        except InvalidData as error:
            if not self._record.stored:
                raise
            raise Parked(Nondeterministic(error.detail)) from error

    async def _finish(self, value: Any) -> Finished | HoldfastError:
        record, lane = self._record, self._lane
        what = f"the result of workflow {record.definition.id}"
        try:
            encoded = encode(value, what)
            copy = Finished(decode(encoded, record.definition.types[1], what))
        except UnstorableResult as error:
            return await self._fail(error)
        if not record.stored and not (record.kept if lane.is_open else record.key is not None):
            await lane.commit_bare()
        else:
            await lane.flush(record.ended("done", result=encoded))
        record.write_log(everything=True)
        return copy

    async def _fail(self, error: HoldfastError) -> HoldfastError:
        """Journal the error with the compensations owed, if anything is to be remembered, and return it."""
        record, lane = self._record, self._lane
        if not lane.is_open and not record.stored:
            await self._look_for_our_own_row()
            await record.look_key_up(Session(record.container.engine))
            record.write_log(everything=True)
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
