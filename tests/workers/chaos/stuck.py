"""Steps that never let the loop of their process turn again; the process after that gets through."""

import ctypes
import time
from pathlib import Path

from core.workflow import StepContext, step, workflow

IN_PYTHON, IN_C = "python", "c"
MUTEX, LIBC = ctypes.create_string_buffer(64), ctypes.PyDLL(None)


def never_return_to_python() -> None:
    """Wait for a lock that nobody opens, with the interpreter's own held, so that no signal is heard."""
    for _ in range(2):
        LIBC.pthread_mutex_lock(MUTEX)


@step("get-stuck", external=True)
async def get_stuck(ctx: StepContext, where: str) -> None:
    """The file of that name, in the folder where the process works, tells that a process is stuck, or was."""
    try:
        Path(where).touch(exist_ok=False)
    except FileExistsError:
        return
    if where == IN_C:
        never_return_to_python()
    while True:
        time.sleep(0.01)  # noqa: ASYNC251, that is what is wrong with it


@workflow("chaos-stuck", version=1)
async def be_stuck(where: str) -> None:
    """Ends with the second process that drives it."""
    await get_stuck(where)
