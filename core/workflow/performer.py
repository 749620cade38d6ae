"""Engine calls at work: their outcomes, from the journal if it knows them."""

import re
import time
from typing import Any

from msgspec import Raw, structs

from ..errors import ConfigurationError, HoldfastError
from .attempts import perform_step
from .call import Call
from .codec import decode, describe_error, encode, error_data, restore_error
from .compensation import Steps, undo_child
from .definition import ChildCall
from .errors import Nondeterministic, Parked, SiblingFailed, UnstorableResult
from .fanout import fan_out
from .frame import Frame, Outcome
from .hook import HookCall
from .journal import Entry, begun_path
from .lane import Lane
from .parallel import ParallelCall
from .record import Record
from .step import AnyStep, StepCall
from .values import ValueCall
from .waiting import WaitCall, WaitingCall, perform_waiting

_NUMBER = re.compile(r"\d+")


class Performer:
    """Performs the calls of one pass through a body, in any lane; a child that fails is undone here."""

    def __init__(self, record: Record, steps: Steps) -> None:
        self._record = record
        self._steps = steps

    def refusal(self, call: Call[Any]) -> HoldfastError | None:
        """Return why a call cannot be made at all: its input cannot be stored, or its step is not what its id says."""
        for each in call.branches if isinstance(call, ParallelCall) else [call]:
            if isinstance(each, StepCall) and not self._knows(each.step):
                return ConfigurationError(f"two steps have the id {each.step.id!r}")
            try:
                each.check()
            except HoldfastError as error:
                return error
        return None

    async def perform(self, lane: Lane, path: str, call: Call[Any]) -> Outcome:
        """Return the outcome of one call of a body or of one branch of a `parallel`."""
        if isinstance(call, StepCall):
            return await self._step(lane, path, call)
        if isinstance(call, ValueCall):
            return self._value(path, call)
        if isinstance(call, ChildCall):
            return await self._child(lane, path, call)
        if isinstance(call, HookCall):
            return await self._hook(lane, path, call)
        if isinstance(call, ParallelCall):
            return await self._parallel(lane, path, call)
        if isinstance(call, WaitingCall):
            return await self._wait(lane, path, call)
        raise TypeError(f"{call.name} is not a call that this engine knows")

    async def _step(self, lane: Lane, path: str, call: StepCall[Any]) -> Outcome:
        step = call.step
        if not self._knows(step):
            return None, ConfigurationError(f"two steps have the id {step.id!r}")
        entry = self._record.entry(path, step.id, step.kind, call.given)
        stored = self._record.recorded.get(path)
        if stored is None:
            self._check(self._record.recorded.get(begun_path(path)), entry, kinds=("begun",))
            return await perform_step(lane, call, entry)
        self._check(stored, entry)
        if stored.error is not None:
            return None, restore_error(stored.error)
        return _known(stored, step.types[0], f"the result of step {step.id}"), None

    def _knows(self, step: AnyStep[..., Any, Any]) -> bool:
        return self._steps.setdefault(step.id, step.origin).origin is step.origin

    def _check(self, stored: Entry | None, called: Entry, kinds: tuple[str, ...] = ()) -> None:
        """Raise `Parked` if the journal knows another call at this path."""
        if stored is None:
            return
        for field in ("step", "kind", "input_hash"):
            was, now = getattr(stored, field), getattr(called, field)
            if was != now and not (field == "kind" and was in kinds):
                raise Parked(_differs(field, called.path, was, now))

    async def _parallel(self, lane: Lane, path: str, call: ParallelCall) -> Outcome:
        entry = self._record.entry(path, "parallel", "parallel", call.given)
        stored = self._record.recorded.get(path)
        self._check(stored, entry)
        self._check_branches(path, call)
        await lane.commit()
        started = time.perf_counter()
        outcome = await fan_out(
            self._record, lane, path, call, self, failed=stored is not None and stored.error is not None
        )
        if stored is None:
            _, error = outcome
            data = None if error is None else describe_error(error, call.name)
            self._record.pending.append(self._record.timed(structs.replace(entry, error=data), started))
        return outcome

    def _check_branches(self, path: str, call: ParallelCall) -> None:
        """Raise `Parked` if the journal knows a branch that the body does not make."""
        known = [each for each in self._record.recorded if each.startswith(f"{path}.")]
        more = [each for each in known if int(_NUMBER.findall(each[len(path) :])[0]) > len(call.branches)]
        if more:
            detail = f"the journal has {', '.join(more)}, and the body makes {len(call.branches)} branches"
            step = self._record.recorded[more[0]].step
            raise Parked(Nondeterministic(detail, path=more[0], field="step", journal=step, body=None))

    async def _wait(self, lane: Lane, path: str, call: WaitingCall[Any]) -> Outcome:
        entry = self._record.entry(path, call.id, call.kind, call.given)
        stored = self._record.recorded.get(path)
        if stored is None:
            self._check(self._record.recorded.get(begun_path(path)), entry, kinds=("begun",))
            return await perform_waiting(self._record, lane, call, entry)
        self._check(stored, entry)
        if stored.error is not None:
            return None, restore_error(stored.error)
        return (_known(stored, call.value_type, call.name) if isinstance(call, WaitCall) else None), None

    def _value(self, path: str, call: ValueCall[Any]) -> Outcome:
        entry = self._record.entry(path, call.id, "value")
        stored = self._record.recorded.get(path)
        if stored is None:
            value = call.make(self._record.container.clock)
            stored = self._ended(entry, time.perf_counter(), encode(value, call.name))
        self._check(stored, entry)
        return _known(stored, call.kind, call.name), None

    def _ended(self, entry: Entry, started: float, value: bytes) -> Entry:
        """Journal the value of a call that is no step."""
        ended = self._record.timed(structs.replace(entry, value=Raw(value)), started)
        self._record.pending.append(ended)
        return ended

    async def _child(self, lane: Lane, path: str, call: ChildCall[Any]) -> Outcome:
        definition = call.definition
        started = time.perf_counter()
        entry = self._record.entry(path, definition.id, "child", call.given)
        stored = self._record.recorded.get(path)
        self._check(stored, entry, kinds=("child", "failure"))
        what = f"the result of workflow {definition.id}"
        if stored is not None and stored.error is not None:
            error = restore_error(stored.error)
            await self._undo(lane, stored, error)
            return None, error
        if stored is not None:
            return _known(stored, definition.types[1], what), None
        ended = await Frame(self._record, lane, definition, f"{path}.").drive(call.argument(), self)
        try:
            if isinstance(ended, HoldfastError):
                return await self._fail_child(lane, entry, ended)
            value = encode(ended.value, what)
            copy = decode(value, definition.types[1], what)
        except UnstorableResult as error:
            return await self._fail_child(lane, entry, error)
        self._ended(entry, started, value)
        return copy, None

    async def drop(self, lane: Lane, path: str, call: Call[Any], error: HoldfastError) -> None:
        """Undo what a branch did that `error` stopped, if it is a child; a step that was stopped has done nothing."""
        if not isinstance(call, ChildCall):
            return
        stored = self._record.entries().get(path)
        if stored is not None and stored.kind == "failure":
            # It had failed by itself, and an undo of its is not due yet.
            await self._undo(lane, stored, error)
        elif stored is None and self._record.owed(f"{path}."):
            entry = self._record.entry(path, call.definition.id, "child", call.given)
            await self._fail_child(lane, entry, SiblingFailed(), because=error)

    async def _undo(self, lane: Lane, failure: Entry, error: HoldfastError) -> None:
        """Undo what a failed child did, to the end: an undo that is broken off here would be nobody's."""
        with lane.sheltered():
            await undo_child(self._record, self._steps, failure, error)

    async def _fail_child(
        self, lane: Lane, entry: Entry, error: HoldfastError, *, because: HoldfastError | None = None
    ) -> Outcome:
        """Undo what the child did, before its error reaches the parent's body; `because` of another one's, if any."""
        data = error_data(error, f"the error of workflow {entry.step}")
        owed = self._record.owed(f"{entry.path}.", lane.unwritten)
        failure = self._record.failure(entry, data, owed)
        if owed:
            with lane.sheltered():
                await lane.flush(self._record.running(), failure)
                await self._undo(lane, failure, because or error)
        else:
            self._record.pending.append(failure)
        return None, error

    async def _hook(self, lane: Lane, path: str, call: HookCall) -> Outcome:
        entry = self._record.entry(path, call.hook.id, "hook", call.given)
        stored = self._record.recorded.get(path)
        if stored is None:
            stored = self._ended(entry, time.perf_counter(), encode([*call.hook.handlers], call.name))
        self._check(stored, entry)
        for number, id in enumerate(_known(stored, list[str], call.name), 1):
            handler = call.hook.handlers.get(id)
            if handler is None:
                raise Parked(Nondeterministic(f"{call.name} at {path} has no handler {id!r} here"))
            _, error = await self._step(lane, f"{path}.{number}", StepCall(handler, (call.data,), {}))
            if error is not None:
                return None, error
        return None, None


def _known(stored: Entry, kind: Any, what: str) -> Any:
    """Return the copy of a journaled value; `Parked` if the code has another type for it by now."""
    try:
        return decode(bytes(stored.value), kind, what)
    except UnstorableResult as error:
        raise Parked(Nondeterministic(f"at {stored.path}: {error.detail}")) from error


def _differs(field: str, path: str, was: str, now: str) -> Nondeterministic:
    detail = f"{field} at {path}: the journal has {was}, the body {now}"
    return Nondeterministic(detail, path=path, field=field, journal=was, body=now)
