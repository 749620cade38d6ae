"""Programs that a test starts, in a group of their own."""

import os
import signal
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress


@contextmanager
def program(command: Sequence[str]) -> Generator["subprocess.Popen[str]"]:
    """Run a command; what is left of its group is killed at the end."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
