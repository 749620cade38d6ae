"""What a benchmark prints, and how it is measured: contestants in turn, the median of the rounds."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from statistics import median

import msgspec

ROUNDS = 5

Measure = Callable[[], Awaitable[float]]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of standard output: a value beside the floor that was measured in the same run."""

    bench: str
    value: float
    unit: str
    floor: str
    floor_value: float
    ratio: float


def compare(bench: str, unit: str, value: float, floors: Mapping[str, float]) -> list[Figure]:
    """Set a value beside each of its floors."""
    return [
        Figure(
            bench=bench,
            value=_rounded(value),
            unit=unit,
            floor=name,
            floor_value=_rounded(floor),
            ratio=round(value / floor, 3),
        )
        for name, floor in floors.items()
    ]


async def in_turn(measures: Mapping[str, Measure], rounds: int = ROUNDS) -> dict[str, float]:
    """Measure each contestant once a round, so that what else the machine does meets all of them; the medians."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(await measure())
            say(f"  {name}: {found[name][-1]:.4g}")
    return {name: median(values) for name, values in found.items()}


def show(figure: Figure) -> None:
    """Print a figure for programs to read."""
    sys.stdout.write(msgspec.json.encode(figure).decode() + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
