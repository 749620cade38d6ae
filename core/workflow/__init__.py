"""The saga engine: steps, workflows that await them, and a journal in PostgreSQL."""

from .background import signal, signal_failure, start
from .context import StepContext
from .engine import WorkflowEngine
from .errors import (
    CallNotAwaited,
    ForeignAwait,
    IdempotencyMismatch,
    Nondeterministic,
    PermanentFailure,
    PoisonRun,
    RunCancelled,
    RunInProgress,
    RunInsideTransaction,
    RunNotFound,
    RunNotWaiting,
    RunStateConflict,
    RunTimedOut,
    SiblingFailed,
    StepFailed,
    StepOutsideBody,
    StepTimedOut,
    UnstorableResult,
    WorkflowFailed,
)
from .events import Events
from .hook import Hook, hook
from .log import log
from .parallel import parallel
from .retry import Retry
from .run import Run
from .runs import RunDetails, Runs, RunSummary
from .secret import Secret
from .step import ExternalStep, ReadStep, Step, StepResponse, step
from .values import now, random, uuid
from .waiting import sleep, wait_for
from .workflow import Workflow, workflow

__all__ = [
    "CallNotAwaited",
    "Events",
    "ExternalStep",
    "ForeignAwait",
    "Hook",
    "IdempotencyMismatch",
    "Nondeterministic",
    "PermanentFailure",
    "PoisonRun",
    "ReadStep",
    "Retry",
    "Run",
    "RunCancelled",
    "RunDetails",
    "RunInProgress",
    "RunInsideTransaction",
    "RunNotFound",
    "RunNotWaiting",
    "RunStateConflict",
    "RunSummary",
    "RunTimedOut",
    "Runs",
    "Secret",
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
    "signal",
    "signal_failure",
    "sleep",
    "start",
    "step",
    "uuid",
    "wait_for",
    "workflow",
]
