"""How a process ends that is told to: by itself within its time, whatever it is stuck in after that."""

import asyncio
import faulthandler
import signal
from types import FrameType

MARGIN_SECONDS = 10
"""After the grace time, until a process that does not end is ended."""
ENDINGS = (signal.SIGTERM, signal.SIGINT)


def end_within(seconds: float) -> None:
    """Have this process end in so many seconds at the latest, with a traceback of what it was stuck in."""
    # Written in C, in a thread of its own that needs no interpreter: it ends also a process that never lets go of it.
    faulthandler.dump_traceback_later(seconds, exit=True)


def told_to_end(patience: float) -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set; from the first of them on the process has `patience` seconds to end.

    To be called in the main thread, on the running loop; for the rest of the process's life.
    """
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    armed = False

    # Not the loop's own way, which needs a loop that turns: Python runs this one also amid a step that never awaits.
    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal armed
        if not armed:  # else whoever asks again and again would put the end off
            armed = True
            end_within(patience)
        if not loop.is_closed():
            loop.call_soon_threadsafe(told.set)

    for number in ENDINGS:
        signal.signal(number, stop)
    return told
