"""What can go wrong between a caller, a body and the engine."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ..errors import HoldfastError, NotFound


class StepFailed(HoldfastError):
    """A step raised something that is not a `HoldfastError`; `data` names the step and the error's type."""

    code = "step_failed"

    def __init__(self, detail: str = "", /, *, step: str = "", error_type: str = "", **data: Any) -> None:
        super().__init__(detail, step=step, error_type=error_type, **data)

    @property
    def step(self) -> str:
        """The id of the step."""
        return str(self.data["step"])

    @property
    def error_type(self) -> str:
        """The class name of what it raised."""
        return str(self.data["error_type"])


class WorkflowFailed(HoldfastError):
    """A body raised something that is not a `HoldfastError`; the original is the cause while it is at hand."""

    code = "workflow_failed"


class PermanentFailure(HoldfastError):
    """The step has failed for good: it is not tried again."""

    code = "permanent_failure"


class StepTimedOut(HoldfastError, TimeoutError):
    """The step took longer than its time-out and was interrupted."""

    code = "step_timed_out"
    status = 504
    retryable = True


class RunTimedOut(HoldfastError, TimeoutError):
    """The run took longer than its workflow's time-out: what it did was undone."""

    code = "run_timed_out"
    status = 504
    retryable = True


class RunCancelled(HoldfastError):
    """The run was cancelled: what it did was undone."""

    code = "run_cancelled"
    status = 409


class RunNotFound(NotFound):
    """There is no such run; a finished one is deleted after its workflow's retention."""

    code = "run_not_found"


class RunStateConflict(HoldfastError):
    """The run is not in a state in which this can be done to it."""

    code = "run_state_conflict"
    status = 409


class RunNotWaiting(HoldfastError):
    """The run has ended, or never was: a signal would be heard by nobody."""

    code = "run_not_waiting"
    status = 409


class SiblingFailed(HoldfastError):
    """Another branch of the same `parallel` failed, so this one was stopped."""

    code = "sibling_failed"


class UnstorableResult(HoldfastError):
    """A value cannot be kept in the journal: a foreign type, a NUL character, a lone surrogate."""

    code = "unstorable_result"


class IdempotencyMismatch(HoldfastError):
    """The idempotency key was used before with other input."""

    code = "idempotency_mismatch"
    status = 422


class RunInProgress(HoldfastError):
    """The run has not ended yet; `data` holds its `run_id`."""

    code = "idempotency_in_progress"
    status = 409
    retryable = True


class RunInsideTransaction(HoldfastError):
    """A workflow has transactions of its own: run it outside of yours."""

    code = "run_inside_transaction"


class ForeignAwait(HoldfastError):
    """A workflow body awaited something that is not an engine call; do that in a step."""

    code = "foreign_await"


class CallNotAwaited(HoldfastError):
    """A workflow body made an engine call and did not await it."""

    code = "call_not_awaited"


class StepOutsideBody(HoldfastError):
    """An engine call was awaited outside of a workflow body, or a second time."""

    code = "step_outside_body"


class Nondeterministic(HoldfastError):
    """A replayed body does not do what the journal says that it did."""

    code = "nondeterministic"


class PoisonRun(HoldfastError):
    """One process after the other has died while it drove this run, so it is parked."""

    code = "poison_run"


class ControlFlow(BaseException):
    """Base of the engine's control flow: a `BaseException`, so that no `except Exception` swallows it."""


class Fenced(ControlFlow):
    """The journal is not as this execution knew it: an earlier COMMIT landed late, or another run is ahead."""


class CommitFailed(ControlFlow):
    """A COMMIT, or the flush before it, failed with `cause`."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Halted(ControlFlow):
    """The run ends with `error` although its body has not: it is past its deadline, to be cancelled, or not undone."""

    def __init__(self, error: HoldfastError) -> None:
        super().__init__(str(error))
        self.error = error


class Suspended(ControlFlow):
    """Nothing is to be done until `due_at`, if ever, or until one of these signals arrives."""

    def __init__(self, due_at: datetime | None, signals: Iterable[str] = ()) -> None:
        super().__init__(str(due_at))
        self.due_at = due_at
        self.signals = [*signals]


class Dropped(ControlFlow):
    """The body is dropped, to be replayed: a mode of tests."""


class Stopped(ControlFlow):
    """This branch of a `parallel` does not go on, because another one failed."""


class Decided(ControlFlow):
    """Another run owns our idempotency key: the row `run_id` decides."""

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id


class Parked(ControlFlow):
    """The run cannot go on until somebody looks at it."""

    def __init__(self, error: Nondeterministic) -> None:
        super().__init__(str(error))
        self.error = error
