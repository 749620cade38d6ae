"""Checking at night what must hold in the tables at every moment."""

from datetime import timedelta

from core.integrity import Integrity
from core.job import Tick, job
from core.workflow import StepContext, log, step

LONGEST = timedelta(hours=1)


# External, since each check reads whole tables in a transaction of its own.
@step("check-all", external=True, timeout=LONGEST)
async def check_all(ctx: StepContext) -> dict[str, list[str]]:
    """Run the checks of all modules and links; return what they found, by their names."""
    found = await ctx.resolve(Integrity).check()
    return {name: violations for name, violations in found.items() if violations}


@job("check-integrity", cron="30 3 * * *")
async def check_integrity(tick: Tick) -> None:
    """Do what `holdfast doctor --integrity` does; the metric `holdfast_integrity_findings` and the log tell of it."""
    for name, violations in (await check_all()).items():
        log.error("integrity_violated", check=name, count=len(violations), first=violations[0])
