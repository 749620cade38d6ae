"""Several processes on one socket: forked, so that they start at once and share what was imported before."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import structlog

STARTUP_FAILURE = 3
"""The exit code of a worker that cannot start, as uvicorn has it: the next one could not either."""
PAUSE_SECONDS = 1
"""Between the death of a worker and the next one."""

log = structlog.get_logger("holdfast.workers")


class Workers:
    """Runs `work` in `count` processes and replaces those that die, until SIGTERM or SIGINT.

    `close` then gives up what this process shares with them: they stop to listen, and so must it. A worker ends by
    itself when this process is gone. No thread may run at the time of the call.
    """

    def __init__(self, work: Callable[[], None], count: int, *, close: Callable[[], None] = lambda: None) -> None:
        self._work = work
        self._close = close
        self._count = count
        self._pids: set[int] = set()
        self._stopping = False
        self._lifeline = os.pipe()
        """Nothing is ever written; workers read the end of it when this process dies."""

    def run(self) -> int:
        """Return the exit code when all workers have ended."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for _ in range(self._count):
            self._start()
        code = 0
        while self._pids:
            code = max(code, self._replace(*os.wait()))
        return code

    def _start(self) -> None:
        # A signal between the fork and the set's update would miss the new worker.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        # One that came before the block has told only those that there were.
        if not self._stopping:
            pid = os.fork()
            if pid == 0:
                self._be_worker()
            self._pids.add(pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))

    def _be_worker(self) -> None:
        code = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
            os.close(self._lifeline[1])
            threading.Thread(target=self._end_with_parent, daemon=True).start()
            self._work()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            log.exception("worker_failed")
        finally:
            os._exit(code)  # none of the parent's clean-ups

    def _end_with_parent(self) -> None:
        os.read(self._lifeline[0], 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def _replace(self, pid: int, status: int) -> int:
        """Take note of a worker's end; return the exit code that it means."""
        self._pids.discard(pid)
        if self._stopping:
            return 0
        code = os.waitstatus_to_exitcode(status)
        log.error("worker_ended", pid=pid, code=code)
        if code == STARTUP_FAILURE:
            self._stop(signal.SIGTERM, None)
            return 1
        time.sleep(PAUSE_SECONDS)
        self._start()
        return 0

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        self._close()
        for pid in self._pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
