"""Several processes on one socket: forked, so that they start at once and share what was imported before."""

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import structlog

from ..errors import ConfigurationError
from ..shutdown import ENDINGS

STARTUP_FAILURE = 3
"""The exit code of a worker that cannot start, as uvicorn has it: the next one could not either."""
FIRST_PAUSE, LAST_PAUSE = 1.0, 30.0
"""Seconds between the death of a worker and the next one; doubling for those that die as soon as they are there."""
STEADY_SECONDS = 3
"""A worker that lives longer has not died of its start."""
KILL_MARGIN_SECONDS = 5
"""After workers should have ended themselves, until they are killed: what never lets go of the interpreter hears of no
signal."""
MOST_BYTES = 4000
"""Of what a worker says why it cannot start: no more than a pipe takes at once."""

log = structlog.get_logger("holdfast.workers")


class Workers:
    """Runs `work` in `count` processes and replaces those that die, until SIGTERM or SIGINT.

    They then have `patience` seconds to end. `close` gives up what this process shares with them: they stop to listen,
    and so must it. A worker ends by itself when this process is gone. No thread may run at the time of the call.
    """

    def __init__(
        self, work: Callable[[], None], count: int, *, patience: float, close: Callable[[], None] = lambda: None
    ) -> None:
        self._work = work
        self._close = close
        self._patience = patience
        self._workers: dict[int, tuple[float, float]] = {}
        """By process id: since when it runs, and the pause before it."""
        self._due = [(0.0, 0.0)] * count
        """When workers are to be started, and the pause that this was."""
        self._stopping = False
        self._killing_at: float | None = None
        self._lifeline = os.pipe()
        """Nothing is ever written; workers read the end of it when this process dies."""
        self._reasons = os.pipe()
        """Where workers write why they cannot start."""
        self._bell = os.pipe()
        """Python writes into it when a signal comes."""

    def run(self) -> int:
        """Return the exit code when all workers have ended; raises `ConfigurationError` if they cannot start."""
        for number in ENDINGS:
            signal.signal(number, self._take_note)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # by default nothing is told of it
        for descriptor in (*self._bell, self._reasons[0]):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._bell[1], warn_on_full_buffer=False)
        code = 0
        while self._workers or (self._due and not self._stopping):
            self._start_those_due()
            self._end_those_left()
            self._wait()
            code = max(code, self._replace_the_dead())
        if reasons := _read(self._reasons[0]):
            raise ConfigurationError(reasons.decode(errors="replace").splitlines()[0])  # all of them have the same one
        return code

    def _take_note(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _wait(self) -> None:
        """Wait for a signal, or until something is due."""
        times = [at for at, _ in self._due if not self._stopping]
        times += [] if self._killing_at is None else [self._killing_at]
        select.select([self._bell[0]], [], [], max(0.0, min(times) - time.monotonic()) if times else None)
        _read(self._bell[0])

    def _start_those_due(self) -> None:
        now = time.monotonic()
        due = [] if self._stopping else [pause for at, pause in self._due if at <= now]
        self._due = [(at, pause) for at, pause in self._due if at > now]
        for pause in due:
            # A signal to the group must find a worker either with this process's handlers or without any.
            signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
            pid = os.fork()
            if pid == 0:
                self._be_worker()
            self._workers[pid] = now, pause
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)

    def _be_worker(self) -> None:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (*ENDINGS, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)
            os.close(self._lifeline[1])
            threading.Thread(target=self._end_with_parent, daemon=True).start()
            self._work()
            code = 0
        except ConfigurationError as error:
            os.write(self._reasons[1], f"{error.detail}\n".encode()[:MOST_BYTES])
            code = STARTUP_FAILURE
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            log.exception("worker_failed")
        finally:
            os._exit(code)  # none of the parent's clean-ups

    def _end_with_parent(self) -> None:
        os.read(self._lifeline[0], 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def _replace_the_dead(self) -> int:
        """Take note of workers' ends; return the exit code that they mean."""
        code = 0
        while self._workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid in self._workers:  # the first process of a container inherits others
                code = max(code, self._replace(pid, os.waitstatus_to_exitcode(status)))
        return code

    def _replace(self, pid: int, code: int) -> int:
        started, pause = self._workers.pop(pid)
        if self._stopping:
            return 0
        log.error("worker_ended", pid=pid, code=code)
        if code == STARTUP_FAILURE:
            self._stopping = True
            return 1
        steady = time.monotonic() - started > STEADY_SECONDS
        pause = FIRST_PAUSE if steady else min(max(2 * pause, FIRST_PAUSE), LAST_PAUSE)
        self._due.append((time.monotonic() + pause, pause))
        return 0

    def _end_those_left(self) -> None:
        """Tell workers to end, once; those that are there after their time are killed, whatever they are stuck in."""
        if not self._stopping:
            return
        now = time.monotonic()
        if self._killing_at is None:
            self._killing_at = now + self._patience
            self._close()
            self._signal_all(signal.SIGTERM)
        elif now >= self._killing_at:
            self._killing_at = now + self._patience
            log.error("workers_killed", pids=[*self._workers])
            self._signal_all(signal.SIGKILL)

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._workers:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _read(descriptor: int) -> bytes:
    """Return what is in a pipe."""
    try:
        return os.read(descriptor, select.PIPE_BUF)
    except BlockingIOError:
        return b""
