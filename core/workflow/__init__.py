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
    StepFailed,
    StepOutsideBody,
    UnstorableResult,
    WorkflowFailed,
)
from .step import ReadStep, Step, StepResponse, step
from .workflow import Workflow, workflow

__all__ = [
    "CallNotAwaited",
    "ForeignAwait",
    "IdempotencyMismatch",
    "Nondeterministic",
    "PermanentFailure",
    "ReadStep",
    "RunInProgress",
    "RunInsideTransaction",
    "Step",
    "StepContext",
    "StepFailed",
    "StepOutsideBody",
    "StepResponse",
    "UnstorableResult",
    "Workflow",
    "WorkflowEngine",
    "WorkflowFailed",
    "step",
    "workflow",
]
