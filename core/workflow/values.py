"""Values that change from call to call: journaled, so that a replayed body sees the same ones again."""

import random as randomness
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

from ..clock import Clock
from .call import Call

T = TypeVar("T")


class ValueCall(Call[T]):
    """A value that is made once and then read from the journal."""

    def __init__(self, name: str, kind: type[T], make: Callable[[Clock], T]) -> None:
        super().__init__(f"{name}()")
        self.id = name
        self.kind: Any = kind
        self.make = make


def now() -> Call[datetime]:
    """Return PostgreSQL's time in UTC, the same at every replay."""
    return ValueCall("now", datetime, lambda clock: clock.now())


def uuid() -> Call[UUID]:
    """Return a random UUID, the same at every replay."""
    return ValueCall("uuid", UUID, lambda _clock: uuid4())


def random() -> Call[float]:
    """Return a random number from 0.0 up to 1.0, the same at every replay; not for secrets."""
    return ValueCall("random", float, lambda _clock: randomness.random())  # noqa: S311, says so
