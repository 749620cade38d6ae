"""Calling the function of a step, or of its compensation."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ..db import Session
from .context import StepContext
from .errors import StepFailed, StepTimedOut
from .journal import Entry
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
) -> Any:
    """Call `fn` in a scope of its own on `session`, within the step's time-out, and return what it returns."""
    async with record.container.scope(session=session, context=record.context) as scope:
        context = StepContext(scope, run_id=record.run_id, path=entry.path, attempt=entry.attempts)
        if step.kind == "external":
            scope.key_prefix = context.token
        try:
            return await _within(step, fn(context, *args, **named))
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            # The step awaited something that was cancelled; nobody cancels the run.
            detail = f"step {entry.step} failed: something that it awaited was cancelled: CancelledError"
            raise StepFailed(detail, step=entry.step, error_type="CancelledError") from error


async def _within(step: AnyStep[..., Any, Any], call: Coroutine[Any, Any, Any]) -> Any:
    if step.timeout is None:
        return await call
    limit = asyncio.timeout(step.timeout.total_seconds())
    try:
        async with limit:
            value = await call
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise StepTimedOut(f"step {step.id} took longer than {step.timeout}") from error
    # A function that swallows its cancellation and returns is too late all the same.
    if limit.expired():
        raise StepTimedOut(f"step {step.id} took longer than {step.timeout}")
    return value


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
