"""Calling the function of a step, or of its compensation."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ..db import Session
from .context import StepContext
from .errors import StepFailed
from .journal import Entry
from .record import Record

Function = Callable[..., Coroutine[Any, Any, Any]]


async def invoke(record: Record, entry: Entry, session: Session, fn: Function, *args: Any, **kwargs: Any) -> Any:
    """Call `fn` in a scope of its own on `session`, and return what it returns."""
    async with record.container.scope(session=session, context=record.context) as scope:
        context = StepContext(scope, run_id=record.run_id, path=entry.path, attempt=entry.attempts)
        try:
            return await fn(context, *args, **kwargs)
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            # The step awaited something that was cancelled; nobody cancels the run.
            detail = f"step {entry.step} failed: something that it awaited was cancelled: CancelledError"
            raise StepFailed(detail, step=entry.step, error_type="CancelledError") from error


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
