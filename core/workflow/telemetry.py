"""What the engine tells of its work: metrics per workflow and step, and log events of what is out of the ordinary.

Told is what is durable: a step that is rolled back and done again counts once, for the process that committed it.
"""

from collections.abc import Iterable
from functools import cache

import msgspec
import structlog
from prometheus_client import Counter, Histogram

from ..metrics import METRICS
from .codec import ErrorData, text_of
from .errors import StepFailed
from .journal import ENDED, Entry

STEPS = frozenset({"transactional", "read", "external"})
UNDO_OUTCOMES = {"undo": ("done", "given_up"), "undo-attempt": ("done", "failed")}
PARKED = "nondeterministic"

RUNS_ENDED = Counter(
    "holdfast_workflow_runs_ended", "Runs by the state in which they ended.", ["workflow", "state"], registry=METRICS
)
RUN_SECONDS = Histogram(
    "holdfast_workflow_run_seconds",
    "Time from the start of a run to its end, pauses included.",
    ["workflow"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 86400),
    registry=METRICS,
)
STEPS_ENDED = Counter(
    "holdfast_workflow_steps", "Steps by outcome, done or failed.", ["workflow", "step", "outcome"], registry=METRICS
)
STEP_SECONDS = Histogram(
    "holdfast_workflow_step_seconds",
    "Time that a step took, all its attempts and the pauses between them included.",
    ["workflow", "step"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120),
    registry=METRICS,
)
RETRIES = Counter(
    "holdfast_workflow_step_retries", "Attempts of steps after the first.", ["workflow", "step"], registry=METRICS
)
UNDOS = Counter(
    "holdfast_workflow_undo_attempts",
    "Attempts to undo a step: done, failed (tried again later) or given_up.",
    ["workflow", "step", "outcome"],
    registry=METRICS,
)
RECOVERIES = Counter(
    "holdfast_workflow_recoveries",
    "Runs that this process took over from one that had died.",
    ["workflow"],
    registry=METRICS,
)

log = structlog.get_logger("holdfast.workflow")

# Looking a labelled value up costs more than counting it; ids of workflows and steps are few.
_runs_ended = cache(RUNS_ENDED.labels)
_run_seconds = cache(RUN_SECONDS.labels)
_steps_ended = cache(STEPS_ENDED.labels)
_step_seconds = cache(STEP_SECONDS.labels)


def tell(
    workflow: str, run_id: str, entries: Iterable[Entry], status: str, seconds: float, error: bytes | None
) -> None:
    """Count and log what has become durable: entries of the journal, and the state that the run is in now."""
    try:
        for entry in entries:
            _tell_entry(workflow, run_id, entry)
        if status in ENDED or status == PARKED:
            _tell_end(workflow, run_id, status, seconds, error)
    except Exception:
        # What is durable must not be taken for undone because it cannot be counted.
        log.exception("telemetry_failed", run_id=run_id)


def _tell_entry(workflow: str, run_id: str, entry: Entry) -> None:
    if entry.kind in STEPS:
        _steps_ended(workflow, entry.step, "done" if entry.error is None else "failed").inc()
        _step_seconds(workflow, entry.step).observe(entry.duration_ms / 1000)
    elif entry.kind in UNDO_OUTCOMES:
        UNDOS.labels(workflow, entry.step, UNDO_OUTCOMES[entry.kind][entry.error is not None]).inc()
    if entry.error is not None and entry.kind != "failure":
        _log_error(workflow, run_id, entry, entry.error)


def _log_error(workflow: str, run_id: str, entry: Entry, error: ErrorData) -> None:
    said = {"run_id": run_id, "workflow": workflow, "step": entry.step, "path": entry.path, "attempts": entry.attempts}
    said |= {"code": error.code, "error": error.detail}
    if entry.kind == "undo":
        log.error("undo_given_up", **said)
    elif entry.kind == "undo-attempt":
        log.warning("undo_failed", again_at=msgspec.json.decode(entry.value, type=str), **said)
    elif error.code == StepFailed.code:
        log.warning("step_failed", **said)
    else:
        log.debug("step_refused", **said)


def _tell_end(workflow: str, run_id: str, status: str, seconds: float, error: bytes | None) -> None:
    _runs_ended(workflow, status).inc()
    if status != PARKED:
        _run_seconds(workflow).observe(seconds)
    if status == "done":
        return
    data = msgspec.json.decode(error, type=ErrorData) if error else ErrorData("", "", {})
    said = {"run_id": run_id, "workflow": workflow, "code": data.code, "error": data.detail}
    if status == PARKED:
        log.error("run_parked", **said)
    elif status == "compensation_failed":
        log.error("run_ended", status=status, **said)
    elif status == "failed":
        log.debug("run_ended", status=status, **said)
    else:
        log.info("run_ended", status=status, **said)


def tell_retry(workflow: str, run_id: str, entry: Entry, error: Exception) -> None:
    """Count and log that a step has failed and is tried again."""
    RETRIES.labels(workflow, entry.step).inc()
    said = {"run_id": run_id, "workflow": workflow, "step": entry.step, "path": entry.path}
    log.warning("step_retried", attempts=entry.attempts, error=text_of(error, repr), **said)


def tell_recovery(workflow: str, run_id: str, epoch: int, *, taken_over: bool) -> None:
    """Count and log that this process goes on with a run."""
    if taken_over:
        RECOVERIES.labels(workflow).inc()
    tell = log.info if taken_over else log.debug
    tell("run_taken_over" if taken_over else "run_resumed", run_id=run_id, workflow=workflow, epoch=epoch)
