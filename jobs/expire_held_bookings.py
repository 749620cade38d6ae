"""Sweeping holds that have run out."""

from datetime import timedelta

from core.job import Tick, job
from core.workflow import StepContext, StepResponse, step
from modules.booking import BookingService

BATCH = 500
"""Bookings of one transaction: their rows are locked until it ends."""


@step("expire-due-holds")
async def expire_due_holds(ctx: StepContext) -> StepResponse[int, None]:
    """Sweep a batch and tell of each; return how many there were. An expired hold stays so: nothing undoes it."""
    expired = await ctx.resolve(BookingService).expire_due(BATCH)
    for event in expired:
        # At once: what a later batch comes to does not unmake this one.
        ctx.emit("booking.expired", event, at_once=True)
    return StepResponse(len(expired), compensate_with=None)


@job("expire-held-bookings", cron="*/5 * * * *", retention=timedelta(days=1))
async def expire_held_bookings(tick: Tick) -> None:
    """Soft-delete holds that have run out, free what they claimed, and tell of them.

    To every reader a hold is gone at the second it expires; this makes the rows say so.
    """
    while await expire_due_holds() == BATCH:
        pass
