"""How a process ends: by itself within its time when it is told to, and at last whatever it is stuck in."""

import asyncio
import faulthandler
import signal
from collections.abc import Callable
from types import FrameType

MARGIN_SECONDS = 10
"""After the grace time, until a process that does not end is ended."""
BEATS = 4
"""How often a loop says that it turns, in the time after which it is taken for stuck."""
ENDINGS = (signal.SIGTERM, signal.SIGINT)


def end_within(seconds: float) -> None:
    """Have this process end in so many seconds at the latest, with a traceback of what it was stuck in."""
    # Written in C, in a thread of its own that needs no interpreter: it ends also a process that never lets go of it.
    faulthandler.dump_traceback_later(seconds, exit=True)


def end_when_stuck(seconds: float, is_ending: Callable[[], bool]) -> None:
    """Have this process end when its running loop has stood still for so many seconds; 0 for never.

    A step that never lets go of the loop would else hold up its process for good, and then the one that takes it over.
    """
    if seconds and not is_ending():
        end_within(seconds)
        asyncio.get_running_loop().call_later(seconds / BEATS, end_when_stuck, seconds, is_ending)


def told_to_end(patience: float, *, stuck: float = 0) -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set; from the first of them on the process has `patience` seconds to end.

    `stuck`: see `end_when_stuck`. To be called in the main thread, on the running loop; for the rest of the process's
    life.
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
    end_when_stuck(stuck, lambda: armed)
    return told
