"""The quarter-hour grid: quarter `q` is the 15 minutes that begin at `q * 900` seconds after the UTC epoch.

Every IANA offset in use is a multiple of 15 minutes, so the grid is exact in every zone. Sets of quarters are
Python ints: bit `i` stands for the i-th quarter of a window, which is a `range` of quarters.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import TypeVar

from msgspec import Struct

QUARTER_SECONDS = 900
QUARTER = timedelta(seconds=QUARTER_SECONDS)
QUARTERS_PER_DAY = 96
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Item = TypeVar("Item")
_SWITCHES = bytes.maketrans(b"01", b"\x00\x01")


def quarter_of(at: datetime) -> int:
    """Return the quarter that holds an aware instant."""
    return (at - EPOCH) // QUARTER


def instant_of(quarter: int) -> datetime:
    """Return the UTC instant at which a quarter begins."""
    return EPOCH + QUARTER * quarter


def on_grid(at: datetime) -> bool:
    """Whether an aware instant is the beginning of a quarter."""
    return not (at - EPOCH) % QUARTER


def quarters(minutes: int) -> int:
    """Return how many quarters that many minutes touch when they begin on the grid."""
    return -(-minutes * 60 // QUARTER_SECONDS)


def claim_length(duration_minutes: int, buffer_minutes: int) -> int:
    """Return how many quarters a service and its buffer claim, rounded up once for both together."""
    return quarters(duration_minutes + buffer_minutes)


def mask(window: range, part: range) -> int:
    """Return the bits of the quarters of `part` that lie in `window`."""
    low, high = max(part.start, window.start), min(part.stop, window.stop)
    return ((1 << high - low) - 1) << low - window.start if low < high else 0


class QuarterSet(Struct, frozen=True):
    """A set of quarters as bits; bit 0 stands for the quarter `first`."""

    first: int
    bits: int


def bits_of(members: Iterable[int] | QuarterSet, window: range) -> int:
    """Return the bits of those quarters that lie in `window`."""
    if isinstance(members, QuarterSet):
        shift = window.start - members.first
        return (members.bits >> shift if shift >= 0 else members.bits << -shift) & mask(window, window)
    size = len(window)
    digits = bytearray(b"0") * (size + 1)
    for quarter in members:
        if quarter in window:
            digits[window.stop - quarter] = 49  # "1"; the last digit is the first quarter
    return int(digits, 2)


def members_of(bits: int, items: Sequence[Item]) -> Iterator[Item]:
    """Yield the items, such as the quarters of a window, whose bits are set; the first item's bit is bit 0."""
    digits = f"{bits:0{len(items)}b}".encode().translate(_SWITCHES)
    return compress(items, reversed(digits))


def runs(bits: int, length: int) -> int:
    """Return the bits at which `length` set bits in a row begin."""
    have = 1
    while have < length:
        step = min(have, length - have)
        bits &= bits >> step
        have += step
    return bits
