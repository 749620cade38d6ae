"""Deleting what is kept for a while only."""

from datetime import timedelta

from core.job import Tick, job
from core.workflow import StepContext, retention, step

LONGEST = timedelta(hours=1)


# External, since each batch is a transaction of its own, and a batch that is deleted twice does no harm.
@step("purge-finished-runs", external=True, timeout=LONGEST)
async def purge_runs(ctx: StepContext) -> int:
    """Delete the finished runs whose retention is over, and their keys with them; return how many."""
    return await retention.purge_finished(ctx.scope)


@step("purge-events", external=True, timeout=LONGEST)
async def purge_outbox(ctx: StepContext) -> int:
    """Delete the old events of which no delivery is left; return how many."""
    return await retention.purge_events(ctx.scope)


@job("purge-finished", cron="*/10 * * * *", retention=timedelta(days=1))
async def purge_finished(tick: Tick) -> None:
    """Delete finished runs whose retention is over, and events when the last of their deliveries has gone."""
    await purge_runs()
    await purge_outbox()
