"""What a body does to other runs: each is a step, so it happens once and is undone with the run."""

from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from ..errors import HoldfastError
from .call import Call
from .codec import decode, encode
from .context import StepContext
from .control import cancel_run
from .definition import Definition
from .engine import WorkflowEngine
from .errors import RunNotFound, RunStateConflict
from .signals import Message, failure_message, message, send_message
from .step import Step, StepResponse, step

D = TypeVar("D")


class StartRun(msgspec.Struct, frozen=True, kw_only=True):
    """Which workflow to start, and with what."""

    workflow: str
    version: int
    data: Raw
    key: str | None


@step("start-run")
async def start_run(ctx: StepContext, order: StartRun) -> StepResponse[str, str | None]:
    """Leave a run to the workers; if this one is undone, that one is cancelled, unless it was there before."""
    engine = ctx.resolve(WorkflowEngine)
    definition = engine.registry.definition(order.workflow, order.version)
    data = decode(bytes(order.data), definition.types[0], f"the input of {definition.id}")
    run_id, is_new = await engine.start(definition, ctx.scope, data, key=order.key, context=None)
    return StepResponse(run_id, compensate_with=run_id if is_new else None)


@start_run.compensate
async def cancel_started_run(ctx: StepContext, run_id: str | None) -> None:
    """Cancel what was started, unless it is gone for good, or could not be undone: that is for who looks after it."""
    if run_id is None:
        return
    transaction = ctx.scope.session.writable("cancel")
    try:
        await cancel_run(transaction, run_id, ctx.scope.clock.now())
    except (RunNotFound, RunStateConflict):
        return
    transaction.on_commit(ctx.resolve(WorkflowEngine).nudge)


@step("send-signal")
async def send(ctx: StepContext, message: Message) -> None:
    """Leave a signal for another run; what it made of it is not taken back."""
    await send_message(ctx.scope.session, message, ctx.scope.clock.now(), sender=ctx.run_id)
    engine = ctx.resolve(WorkflowEngine)
    ctx.scope.session.writable("signal").on_commit(engine.nudge)


STEPS: list[Step[..., Any, Any]] = [start_run, send]


def start(workflow: Definition[D, Any], data: D, /, *, key: str | None = None) -> Call[str]:
    """Leave a run of another workflow to the workers and return its id; it is cancelled if this run is undone."""
    given = Raw(encode(data, f"the input of {workflow.id}"))
    return start_run(StartRun(workflow=workflow.id, version=workflow.version, data=given, key=key))


def signal(run_id: str, name: str, value: object = None, /, *, id: str | None = None) -> Call[None]:
    """Tell another run `value`, which its `wait_for(name, ...)` returns; see `Runs.signal`. Raises `RunNotWaiting`."""
    return send(message(run_id, name, value, id))


def signal_failure(run_id: str, name: str, error: HoldfastError, /, *, id: str | None = None) -> Call[None]:
    """Tell another run that what it waits for has failed: its `wait_for(name, ...)` raises `error`."""
    return send(failure_message(run_id, name, error, id))
