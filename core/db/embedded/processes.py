"""Which processes belong to a server: asked of the system, since pid files outlive their processes."""

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import EmbeddedUnavailable

if TYPE_CHECKING:
    import psutil


def processes_in(folder: Path, program: str) -> list["psutil.Process"]:
    """The living processes of `program` that work in `folder`, the one that started the others first."""
    found = [process for process in _psutil().process_iter() if _works_in(process, folder, program)]
    pids = {process.pid for process in found}
    return sorted(found, key=lambda process: _parent(process) in pids)


def end(folder: Path, program: str, signals: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send the first process each signal in turn, with its patience in seconds, until none is left; then kill all."""
    for number, patience in signals:
        for process in processes_in(folder, program)[:1]:
            _send(process, number)
        if _gone(folder, program, patience):
            return
    while not _gone(folder, program, 0.1):
        for process in processes_in(folder, program):
            _send(process, signal.SIGKILL)


def _gone(folder: Path, program: str, patience: float) -> bool:
    """Wait for the end of all processes; a dead one that its parent has not looked at yet counts as ended."""
    deadline = time.monotonic() + patience
    while processes_in(folder, program):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _psutil():
    try:
        import psutil  # noqa: PLC0415, the extra `dev` brings it, and production does without
    except ModuleNotFoundError:
        raise EmbeddedUnavailable from None
    return psutil


def _works_in(process: "psutil.Process", folder: Path, program: str) -> bool:
    psutil = _psutil()
    try:
        return process.name() == program and Path(process.cwd()) == folder and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _parent(process: "psutil.Process") -> int:
    try:
        return process.ppid()
    except _psutil().NoSuchProcess:
        return 0


def _send(process: "psutil.Process", number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except _psutil().NoSuchProcess:
        return
