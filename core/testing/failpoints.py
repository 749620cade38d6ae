"""Kill points: a process that ends itself, as `kill -9` does, at a chosen place of the engine."""

import os
import signal

from ..workflow.failpoint import watch_failpoints


def crash_at(point: str, *, skip: int = 0) -> None:
    """Kill this process when the engine comes to `point` (`after-step-commit`), having let it pass `skip` times.

    Flushes are named for what they write: `step`, `begin` (of an external step), `waiting`, `signal` (taken),
    `failure`, `cancel` (the failure of a run that is cancelled), `undo`, `undo-attempt` (one that failed), `park`,
    `end`. Points are `before-<name>-flush`, `before-<name>-commit` and `after-<name>-commit`, and
    `before-external-call` and `after-external-call`.
    """
    left = skip

    def hear(name: str) -> None:
        nonlocal left
        if name != point:
            return
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    watch_failpoints(hear)
