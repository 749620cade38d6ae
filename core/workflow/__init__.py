"""The saga engine: steps, workflows that await them, and a journal in PostgreSQL."""

from .context import StepContext
from .engine import WorkflowEngine
from .errors import (
    CallNotAwaited,
    ForeignAwait,
    IdempotencyMismatch,
    Nondeterministic,
    PermanentFailure,
    RunInProgress,
    RunInsideTransaction,
    SiblingFailed,
    StepFailed,
    StepOutsideBody,
    StepTimedOut,
    UnstorableResult,
    WorkflowFailed,
)
from .hook import Hook, hook
from .log import log
from .parallel import parallel
from .retry import Retry
from .step import ExternalStep, ReadStep, Step, StepResponse, step
from .values import now, random, uuid
from .workflow import Workflow, workflow

__all__ = [
    "CallNotAwaited",
    "ExternalStep",
    "ForeignAwait",
    "Hook",
    "IdempotencyMismatch",
    "Nondeterministic",
    "PermanentFailure",
    "ReadStep",
    "Retry",
    "RunInProgress",
    "RunInsideTransaction",
    "SiblingFailed",
    "Step",
    "StepContext",
    "StepFailed",
    "StepOutsideBody",
    "StepResponse",
    "StepTimedOut",
    "UnstorableResult",
    "Workflow",
    "WorkflowEngine",
    "WorkflowFailed",
    "hook",
    "log",
    "now",
    "parallel",
    "random",
    "step",
    "uuid",
    "workflow",
]
