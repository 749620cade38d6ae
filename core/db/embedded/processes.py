"""Which processes belong to a server: asked of the system, since pid files outlive their processes."""

import signal
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
        processes = processes_in(folder, program)
        if processes:
            _send(processes[0], number)
            _psutil().wait_procs(processes, timeout=patience)
    while processes := processes_in(folder, program):
        for process in processes:
            _send(process, signal.SIGKILL)
        _psutil().wait_procs(processes, timeout=1)


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
