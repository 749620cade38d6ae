"""When a failed attempt is followed by another one."""

import random
from collections.abc import Callable
from datetime import timedelta

import msgspec
import structlog

from ..db import is_transient
from ..errors import HoldfastError, OutcomeUnknown
from .codec import text_of
from .errors import PermanentFailure, RunInProgress, StepFailed, UnstorableResult

LONGEST_PAUSE = timedelta(minutes=5)
TRANSIENT_ATTEMPTS = 5

OPEN = (StepFailed, UnstorableResult, TimeoutError, OutcomeUnknown, RunInProgress)
"""What may still take effect, or has: the last two are those of a run that an external step has called."""

Errors = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]

log = structlog.get_logger("holdfast.workflow")


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """Up to `attempts` in all; the pause before the second is `backoff`, each further one twice as long.

    `jitter` is the share by which a pause varies to either side. `on` says which errors are worth another attempt: by
    default all but a `HoldfastError` that is not `retryable`; never a `PermanentFailure`.
    """

    attempts: int = 5
    backoff: timedelta = timedelta(seconds=1)
    jitter: float = 0.2
    on: Errors | None = None

    def again(self, error: Exception, attempts: int) -> bool:
        """Tell whether `error`, which ended attempt number `attempts`, is to be followed by another attempt."""
        return attempts < self.attempts and self._matches(error)

    def _matches(self, error: Exception) -> bool:
        if isinstance(error, PermanentFailure | UnstorableResult):
            return False
        if self.on is None:
            return not is_outcome(error) or (isinstance(error, HoldfastError) and error.retryable)
        try:
            # A class can be called as well as a condition.
            return self.on(error) if callable(self.on) and not isinstance(self.on, type) else isinstance(error, self.on)
        except Exception:
            log.exception("retry_condition_failed", error=text_of(error, repr))
            return False

    def delay(self, attempts: int) -> timedelta:
        """Return how long to wait after attempt number `attempts`, without jitter."""
        # Bounded, because timedelta overflows after some forty doublings.
        return min(self.backoff * 2 ** min(attempts - 1, 30), LONGEST_PAUSE)

    def pause(self, attempts: int) -> float:
        """Return the seconds to wait after attempt number `attempts`."""
        return self.delay(attempts).total_seconds() * random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311, no secret


TRANSIENT = Retry(attempts=TRANSIENT_ATTEMPTS, backoff=timedelta(0), on=is_transient)
"""At once, and only what the same transaction may well survive: serialization failures and deadlocks."""


def is_outcome(error: Exception) -> bool:
    """Tell whether a step said by `error` how it ended; otherwise nobody knows how far it came."""
    return isinstance(error, HoldfastError) and not isinstance(error, OPEN)
