"""A frame: one body at work, the run's own or that of a child, whose calls are numbered under its path."""

import re
from typing import Any, Protocol, TypeVar

from ..errors import HoldfastError
from .call import Body, Call, Finished
from .codec import text_of, whole
from .definition import Definition
from .errors import Dropped, Halted, Nondeterministic, Parked, WorkflowFailed
from .lane import Lane
from .record import Record
from .replaying import Replaying

E = TypeVar("E", bound=BaseException)
Outcome = tuple[Any, HoldfastError | None]


class Calls(Protocol):
    """What performs the calls of a body."""

    def refusal(self, call: Call[Any]) -> HoldfastError | None:
        """Return why a call cannot be made at all; it then leaves no trace in the journal."""
        ...

    async def perform(self, lane: Lane, path: str, call: Call[Any]) -> Outcome:
        """Return the outcome of a call."""
        ...


_NUMBER = re.compile(r"\d+")


class Frame:
    """`prefix` is "" for the run's own body, "4." for that of the child at 4."""

    def __init__(self, record: Record, lane: Lane, definition: Definition[Any, Any], prefix: str) -> None:
        self._record = record
        self._lane = lane
        self._definition = definition
        self._prefix = prefix
        self._calls = 0
        self._live = False
        """Whether the body is past what the journal knows."""

    async def drive(self, argument: object, calls: Calls) -> Finished | HoldfastError:
        """Run the body to its end: what it returned, or the error that it raised."""
        body = Body(self._definition.body(argument))
        value: Any = None
        error: HoldfastError | None = None
        try:
            while True:
                call = self._advance(body, value, error)
                if not isinstance(call, Call):
                    self._go_live(f"{self._prefix}{self._calls}", "")
                    self._keep_lines(body, self._prefix.removesuffix("."))
                    return call
                self._lane.check_stopped()
                value, error = await self._perform(body, call, calls)
        finally:
            body.close()

    async def _perform(self, body: Body, call: Call[Any], calls: Calls) -> Outcome:
        self._calls += 1
        path = f"{self._prefix}{self._calls}"
        is_new = path not in self._record.recorded
        if is_new:
            reason = self._record.reason_to_halt()
            if reason is not None:
                raise Halted(reason)
            refusal = calls.refusal(call)
            if refusal is not None:
                return None, refusal
            self._go_live(path, call.nested)
            self._keep_lines(body, path)
        value, error = await calls.perform(self._lane, path, call)
        if error is not None and self._record.is_halted_by(error):
            raise Halted(error)
        if is_new and Replaying.after_every_call and self._lane.task is None:
            await self._lane.flush(self._record.running())
            raise Dropped
        return value, error

    def _keep_lines(self, body: Body, path: str) -> None:
        if body.lines:
            self._record.lines.append((path, body.lines))

    def _advance(self, body: Body, value: Any, error: HoldfastError | None) -> Call[Any] | Finished | HoldfastError:
        """Run the body to its next call or its end; an error that it raises is returned, typed."""
        try:
            call = body.advance(value, error)
            if isinstance(call, Finished):
                body.check_all_awaited()
            return call
        except HoldfastError as failure:
            return _without_engine(whole(failure))
        except KeyboardInterrupt:
            raise
        # A body runs at one go: a cancellation that comes out of it is its own doing, and nobody cancels the run. Nor
        # must `exit()` in a body end one process after the other that takes the run up.
        except BaseException as failure:
            name = type(failure).__name__
            typed = WorkflowFailed(f"workflow {self._definition.id} failed: {name}: {text_of(failure)}")
            typed.__cause__ = _without_engine(failure)
            return typed

    def _go_live(self, path: str, nested: str) -> None:
        """Before the first call that the journal does not know: what is left in it must belong to that call."""
        if self._live:
            return
        self._live = True
        left = [other for other in self._record.recorded if self._is_left(other, path, nested)]
        if left:
            detail = f"the journal has {', '.join(left)}, which the body did not call"
            known = self._record.recorded[left[0]].step
            raise Parked(Nondeterministic(detail, path=left[0], field="step", journal=known, body=None))

    def _is_left(self, other: str, path: str, nested: str) -> bool:
        if not other.startswith(self._prefix):
            return False
        found = _NUMBER.match(other, len(self._prefix))
        number = int(found[0]) if found else 0
        if number != self._calls or path in self._record.recorded:
            return number > self._calls
        return not nested or not other.startswith(path + nested)


def _without_engine(error: E) -> E:
    """Drop the engine's frames above the body's from the traceback: they hold the error, and it would hold them."""
    place = error.__traceback__
    while place is not None and place.tb_frame.f_globals.get("__package__") == __package__:
        place = place.tb_next
    return error.with_traceback(place)
