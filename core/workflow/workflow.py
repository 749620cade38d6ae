"""Workflows: sagas written as plain async functions."""

from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any, Generic, TypeVar, cast

from ..container import Scope
from .definition import WEEK, Definition
from .engine import WorkflowEngine
from .run import WAIT, Run

D = TypeVar("D")
R = TypeVar("R")


class Workflow(Definition[D, R], Generic[D, R]):
    """A body that awaits steps; if it fails, the steps that were done are compensated."""

    async def run(
        self,
        scope: Scope,
        data: D,
        /,
        *,
        key: str | None = None,
        wait: timedelta = WAIT,
        context: Mapping[str, str] | None = None,
        subject: str | None = None,
    ) -> R:
        """Run to the end and return the result; cancelling the caller only stops the waiting.

        With `key` the call is idempotent: the same key and input give the first answer again, and `scope.replayed`
        says so. `context` is stored with the run, on top of the scope's own. `subject` is the id of the person whom it
        is about: `Runs.erase(subject)` deletes their finished runs. What the run's steps start is about them too.

        Raises the run's error; `IdempotencyMismatch` for a key used with other input; `RunInProgress` after `wait`;
        `RunInsideTransaction`; `Busy` and `OutcomeUnknown` when the database is away.
        """
        engine = scope.resolve(WorkflowEngine)
        return cast("R", await engine.run(self, scope, data, key=key, wait=wait, context=context, subject=subject))

    async def start(
        self,
        scope: Scope,
        data: D,
        /,
        *,
        key: str | None = None,
        context: Mapping[str, str] | None = None,
        subject: str | None = None,
    ) -> Run[R]:
        """Leave a run to the workers and return its handle; inside `scope.transaction()` it exists once that commits.

        With `key` the first run is returned again. Raises `IdempotencyMismatch` for a key used with other input. In a
        body use `core.workflow.start`.
        """
        engine = scope.resolve(WorkflowEngine)
        run_id, _ = await engine.start(self, scope, data, key=key, context=context, subject=subject)
        return Run(scope.container, engine, run_id, self)


def workflow(
    id: str,
    /,
    *,
    version: int,
    retention: timedelta = WEEK,
    timeout: timedelta | None = None,
    record_inputs: bool = False,
) -> Callable[[Callable[[D], Coroutine[Any, Any, R]]], Workflow[D, R]]:
    """Make an async function of one argument a workflow; its finished runs are kept for `retention`.

    `version` is bumped by hand when the body calls other steps than before. A run that has not ended `timeout` after it
    was started is undone; as a child, a workflow is bound by the time-out of the run alone. The journal keeps the
    inputs of external and of failed steps, with `record_inputs` those of all. A field that is marked `Secret` in the
    argument or the result is a `ConfigurationError`.
    """

    def decorate(body: Callable[[D], Coroutine[Any, Any, R]]) -> Workflow[D, R]:
        return Workflow(id, body, version=version, retention=retention, timeout=timeout, record_inputs=record_inputs)

    return decorate
