"""A `parallel` at work: a task and a lane per branch, and one outcome when all of them are settled."""

import asyncio
from typing import Any, Protocol

from ..errors import HoldfastError
from .call import Call
from .errors import CommitFailed, Fenced, Halted, SiblingFailed, Stopped, Suspended
from .frame import Outcome
from .lane import Lane
from .parallel import ParallelCall
from .record import Record


class Performs(Protocol):
    """What performs the branches."""

    async def perform(self, lane: Lane, path: str, call: Call[Any]) -> Outcome:
        """Return the outcome of a call."""
        ...

    async def drop(self, lane: Lane, path: str, call: Call[Any], error: HoldfastError) -> None:
        """Undo what a branch did that is not to be finished, because of `error`."""
        ...


class Branch:
    """One call of a `parallel`, in a lane of its own."""

    def __init__(self, record: Record, path: str, call: Call[Any]) -> None:
        self.path = path
        self.call = call
        self.lane = Lane(record, eager=True)
        stored = record.recorded.get(path)
        self._known = stored is not None
        self.failed = stored is not None and stored.error is not None
        """Whether it failed, as far as is known."""
        self.suspended: Suspended | None = None
        self.outcome: Outcome | None = None
        """None until it has ended, and for good when it was stopped before."""

    def start(self, performs: Performs) -> "asyncio.Task[object]":
        """Begin, unless another branch has failed already."""
        self.lane.task = asyncio.create_task(self._run(performs))
        return self.lane.task

    async def _run(self, performs: Performs) -> None:
        try:
            if not self._known:
                self.lane.check_stopped()
            self.outcome = await performs.perform(self.lane, self.path, self.call)
            self.failed = self.outcome[1] is not None
        except Stopped:
            return
        except Suspended as suspended:
            self.suspended = suspended
        except asyncio.CancelledError:
            if not self.lane.stopped:
                raise


async def fan_out(
    record: Record, parent: Lane, path: str, call: ParallelCall, performs: Performs, *, failed: bool
) -> Outcome:
    """Run the branches, or take their outcomes from the journal; all are settled when this returns.

    `failed`: the journal knows that this has failed, so nothing begins.
    """
    branches = [Branch(record, f"{path}.{number}", branch) for number, branch in enumerate(call.branches, 1)]
    if failed or any(branch.failed for branch in branches):
        _stop(branches)
    await _settle(parent, branches, performs)
    failures = [error for branch in branches if (error := _failure(branch)) is not None]
    if not failures:
        _check_suspended(branches)
        return tuple(branch.outcome[0] for branch in branches if branch.outcome is not None), None
    for branch in reversed(branches):
        await performs.drop(parent, branch.path, branch.call, failures[0])
    failures[0].siblings = failures[1:]
    return None, failures[0]


def _check_suspended(branches: list[Branch]) -> None:
    """Raise `Suspended` if branches have nothing to do for now: until the first of them has."""
    waiting = [branch.suspended for branch in branches if branch.suspended is not None]
    if waiting:
        due_at = min((each.due_at for each in waiting if each.due_at is not None), default=None)
        raise Suspended(due_at, [name for each in waiting for name in each.signals])


async def _settle(parent: Lane, branches: list[Branch], performs: Performs) -> None:
    """Wait until every branch has ended; the first failure stops the others. Raises what broke the engine."""
    tasks = {branch.start(performs): branch for branch in branches}
    left = set(tasks)
    while left:
        try:
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if not parent.stopped:
                await _abandon(left)
                raise
            _uncancel()
            _stop(branches)
            continue
        if any(tasks[task].failed or task.cancelled() or task.exception() for task in done):
            _stop(branches)
    broken = [error for task in tasks if (error := _breakage(task)) is not None]
    if broken:
        raise min(broken, key=_rank)
    parent.check_stopped()


def _breakage(task: "asyncio.Task[object]") -> BaseException | None:
    # A branch that is stopped before its first breath ends as cancelled.
    return None if task.cancelled() else task.exception()


def _rank(error: BaseException) -> int:
    """Return what comes first: a run is not ended by what one branch knows while another one's COMMIT is uncertain."""
    return 0 if isinstance(error, CommitFailed | Fenced) else 2 if isinstance(error, Halted) else 1


def _stop(branches: list[Branch]) -> None:
    for branch in branches:
        branch.lane.stop()


async def _abandon(tasks: "set[asyncio.Task[object]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _uncancel() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


def _failure(branch: Branch) -> HoldfastError | None:
    error = branch.outcome[1] if branch.outcome is not None else None
    return None if isinstance(error, SiblingFailed) else error
