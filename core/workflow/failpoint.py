"""Places where a test can stop or kill the process: before and after everything that others can see."""

from collections.abc import Callable

_reached: list[Callable[[str], None]] = []


def failpoint(name: str) -> None:
    """Say that the engine is at the place `name`."""
    for hear in _reached:
        hear(name)


def watch_failpoints(hear: Callable[[str], None]) -> None:
    """Call `hear` with the name of every place that the engine comes to; for tests."""
    _reached.append(hear)
