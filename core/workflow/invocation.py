"""Calling the function of a step, or of its compensation."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ..db import Session
from ..errors import HoldfastError
from .codec import text_of
from .context import StepContext
from .errors import StepFailed, StepTimedOut
from .journal import Emitted, Entry
from .record import Record
from .step import AnyStep

Function = Callable[..., Coroutine[Any, Any, Any]]


async def invoke(
    record: Record,
    entry: Entry,
    session: Session,
    step: AnyStep[..., Any, Any],
    fn: Function,
    *args: Any,
    **named: Any,
) -> tuple[Any, list[Emitted]]:
    """Call `fn` in a scope of its own on `session`, within the step's time-out; return its value and its events."""
    async with record.container.scope(session=session, context=record.context) as scope:
        context = StepContext(scope, run_id=record.run_id, path=entry.path, attempt=entry.attempts)
        scope.subject = record.subject
        if step.kind == "external":
            scope.key_prefix = context.token
        try:
            return await _within(record, entry, step, fn(context, *args, **named)), context.emitted
        except (Exception, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            raise _failure(entry, error) from error


def _failure(entry: Entry, error: BaseException) -> StepFailed:
    """Return the failure of a step by what is no `Exception`, and must not end the process or be taken for its end."""
    name = type(error).__name__
    # The step awaited something that was cancelled; nobody cancels the run.
    what = "something that it awaited was cancelled: " if isinstance(error, asyncio.CancelledError) else ""
    return StepFailed(f"step {entry.step} failed: {what}{name}: {text_of(error)}", step=entry.step, error_type=name)


async def _within(record: Record, entry: Entry, step: AnyStep[..., Any, Any], call: Coroutine[Any, Any, Any]) -> Any:
    seconds, error = _limit(record, entry, step)
    if seconds is None:
        return await call
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            value = await call
    except TimeoutError as late:
        if not limit.expired():
            raise
        raise error from late
    # A function that swallows its cancellation and returns is too late all the same.
    if limit.expired():
        raise error
    return value


def _limit(record: Record, entry: Entry, step: AnyStep[..., Any, Any]) -> tuple[float | None, HoldfastError]:
    """Return how many seconds there are, and what is raised when they are over: the step's or the run's own limit."""
    own = None if step.timeout is None else step.timeout.total_seconds()
    # What undoes a run is not bound by the run's deadline.
    left = None if entry.kind == "undo" else record.seconds_left
    if left is None or (own is not None and own <= left):
        return own, StepTimedOut(f"step {step.id} took longer than {step.timeout}")
    return left, record.timed_out()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
