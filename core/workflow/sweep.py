"""The sweep of one process: a task that looks, at every beat and when something is due, for runs to drive."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import structlog

from ..container import Container
from ..db import Session, as_busy
from ..errors import Busy, OutcomeUnknown
from ..heartbeat import Heartbeat
from .errors import WorkflowFailed
from .recovery import Claimed, Recovery
from .registry import Registry
from .runner import Answer, Runner, UndoUnknown

TURN_SECONDS = 10.0
"""For how long a run that the sweep has taken up counts among those that are driven at once."""
PAUSE_BEFORE_PARKING = 16.0
"""Seconds, see `Recovery.avoid`: a run that fails the engine itself so often is parked, for somebody to see."""
BATCH = 100
"""Runs that are claimed by one statement; they queue here for their turns."""

log = structlog.get_logger("holdfast.workflow")


class Sweep:
    """Claims runs and has them driven by `drive`, no more at once than there are connections."""

    def __init__(
        self,
        container: Container,
        registry: Registry,
        heartbeat: Heartbeat,
        drive: Callable[[Claimed], "asyncio.Task[Answer]"],
        driven: Callable[[], set[str]],
    ) -> None:
        self._container = container
        self._recovery = Recovery(container, registry, heartbeat)
        self._drive = drive
        self._driven = driven
        self._queue: dict[str, Claimed] = {}
        self._claiming: list[str] = []
        """Runs that may be this process's already, and are driven in a moment."""
        self._turns: set[asyncio.Task[Answer]] = set()
        self._suspects: set[str] = set()
        """Runs under way that may be what kills their processes."""
        self._suspects_at_once = 1
        """Doubles with each lot that this process has survived."""
        self._task: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._sweeping = asyncio.Lock()
        self._next: datetime | None = None
        """When the next run is due, as far as this process knows."""

    def open(self, *, queued_after: float | None) -> None:
        """Begin to sweep; queued runs are taken up when they are `queued_after` seconds old, or never."""
        self._recovery.queued_after = queued_after
        self._task = asyncio.create_task(self._keep_sweeping(), name="sweep")

    async def close(self) -> bool:
        """Sweep no more; tells whether it had been opened."""
        if self._task is None:
            return False
        await stop({self._task})
        self._task = None
        self._queue.clear()
        return True

    @property
    def is_open(self) -> bool:
        """Whether this process sweeps."""
        return self._task is not None

    def wake(self) -> None:
        """Sweep at once, or once more if it does so already."""
        self.wake_at(self._container.clock.now())

    def wake_at(self, due_at: datetime | None) -> None:
        """Sweep at `due_at`, if that comes before the next beat."""
        if due_at is not None and (self._next is None or due_at < self._next):
            self._next = due_at
            self._woken.set()

    async def _keep_sweeping(self) -> None:
        while True:
            await self._pause()
            try:
                await self.sweep()
            except Exception as error:
                log.warning("sweep_failed", error=repr(error))

    async def _pause(self) -> None:
        """Wait for the next beat, or until a run is due before it."""
        until = time.monotonic() + self._container.config.engine.beat_seconds
        while (left := self._seconds_left(until)) > 0:
            self._woken.clear()
            # `wait_for` of Python 3.11 loses a cancellation that comes together with what it waits for.
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._woken.wait()
        self._next = None

    def _seconds_left(self, until: float) -> float:
        left = until - time.monotonic()
        if self._next is None:
            return left
        return min(left, (self._next - self._container.clock.now()).total_seconds())

    async def sweep(self) -> int:
        """Claim the runs that nobody drives and somebody should; returns how many there were."""
        taken = 0
        # Another one would take for nobody's what this one has claimed a moment ago.
        async with self._sweeping:
            await self._recovery.forget_the_dead()
            while claimed := await self._claim():
                taken += claimed
                await self._take_turns()
            self.wake_at(await self._recovery.next_due())
        return taken

    async def _claim(self) -> int:
        orphans = await self._recovery.orphans(self._known)
        claimed = await self._recovery.claim(orphans, BATCH)
        self._queue.update({each.row.id: each for each in claimed})
        return len(claimed) + await self._take_suspects(orphans)

    async def _take_suspects(self, orphans: list[str]) -> int:
        """Claim runs that may be what kills their processes, a few at first; an API process claims none.

        So that one which does takes few others with it, and is known by how often it was among them.
        """
        if self._recovery.queued_after is None or self._suspects:
            return 0
        suspects = {each.row.id: each for each in await self._recovery.claim_suspects(orphans, self._suspects_at_once)}
        self._suspects = {*suspects}
        self._queue = {**suspects, **self._queue}
        return len(suspects)

    def _known(self) -> set[str]:
        return {*self._driven(), *self._queue, *self._claiming}

    async def _take_turns(self) -> None:
        """Begin to drive what is in the queue; return when the last of it has begun."""
        turns = self._container.config.database.pool_size
        while self._queue:
            if len(self._turns) >= turns:
                await asyncio.wait(self._turns, timeout=TURN_SECONDS / 10, return_when=asyncio.FIRST_COMPLETED)
            elif self._queue:
                self._begin(self._queue.pop(next(iter(self._queue))))

    def _begin(self, claimed: Claimed) -> "asyncio.Task[Answer]":
        task = self._drive(claimed)
        self._turns.add(task)
        task.add_done_callback(self._turns.discard)
        # What takes long goes on without its turn: the others, and the next sweep, do not wait for it.
        asyncio.get_running_loop().call_later(TURN_SECONDS, self._turns.discard, task)
        if claimed.row.id in self._suspects:
            task.add_done_callback(lambda _: self._clear(claimed.row.id))
            asyncio.get_running_loop().call_later(TURN_SECONDS, self._clear, claimed.row.id)
        return task

    def _clear(self, run_id: str) -> None:
        """Take a run for harmless; after the last of a lot comes the next one, a larger one."""
        if run_id not in self._suspects:
            return
        self._suspects.discard(run_id)
        if not self._suspects:
            self._suspects_at_once = min(self._suspects_at_once * 2, BATCH)
            self.wake()

    async def take_up(self, run_id: str, *, queued: bool) -> "list[asyncio.Task[Answer]]":
        """Drive a run out of turn: another one waits for it, and may hold the last turn itself."""
        mine = self._queue.pop(run_id, None)
        if mine is not None:
            return [self._begin(mine)]
        self._claiming.append(run_id)
        try:
            return [self._drive(each) for each in await self._recovery.claim_this(run_id, queued=queued)]
        finally:
            self._claiming.remove(run_id)

    def forgive(self, run_id: str) -> None:
        """Try a run again that could not be driven here: somebody has done something about it."""
        self._recovery.driven(run_id)

    async def read(self, session: Session, run_id: str) -> Claimed:
        """Return a run as it stands, without claiming it; raises `RunNotFound`."""
        return await self._recovery.read(session, run_id)

    async def resume(self, runner: Runner, claimed: Claimed) -> Answer:
        """Bring a claimed run to its end; one that fails here is left alone for a while."""
        try:
            return await self._resume_or_let_go(runner, claimed)
        except Exception as error:
            cause = error.__cause__ or error
            pause = self._recovery.avoid(claimed.row.id, cause)
            is_ours = not isinstance(cause, Busy | OutcomeUnknown) and as_busy(cause) is None
            if is_ours and pause >= PAUSE_BEFORE_PARKING:
                await runner.park(WorkflowFailed(f"run {claimed.row.id} cannot be driven: {cause!r}"))
            raise

    async def _resume_or_let_go(self, runner: Runner, claimed: Claimed) -> Answer:
        try:
            answer = await runner.resume(claimed)
        except UndoUnknown as error:
            await self._recovery.let_go(claimed.row, error)
            return Answer()
        self._recovery.driven(claimed.row.id)
        return answer

    async def hand_over(self) -> None:
        """Leave what this process has not finished to the others."""
        try:
            await self._recovery.hand_over()
        except Exception as error:
            # They are found all the same, one lease later.
            log.warning("hand_over_failed", error=repr(error))


async def stop(tasks: "set[asyncio.Task[Any]]") -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
