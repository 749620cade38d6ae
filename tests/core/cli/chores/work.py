from datetime import timedelta
from pathlib import Path

from core.errors import HoldfastError
from core.event import Event, subscriber
from core.job import Tick, job
from core.workflow import Retry, StepContext, step, workflow

CALLS = Path("calls")
BROKEN = Path("broken")
ONCE = Retry(attempts=1)


class Broken(HoldfastError):
    """It does not work."""

    code = "test_broken"
    status = 422


def note(what: str) -> None:
    with CALLS.open("a") as file:
        file.write(f"{what}\n")


@step("do-chore", external=True, retry=ONCE)
async def do_chore(ctx: StepContext, what: str) -> None:
    if BROKEN.exists() and what in BROKEN.read_text():
        raise Broken(f"{what} is broken")
    note(what)


@job("sweep-floor", cron="* * * * * *", timezone="Europe/Vienna", retention=timedelta(hours=1))
async def sweep_floor(tick: Tick) -> None:
    await do_chore("sweep")


@subscriber("chore.done", id="ear", retry=ONCE)
async def ear(event: Event[str]) -> None:
    await do_chore("ear")


@subscriber("chore.done", id="eye", retry=ONCE)
async def eye(event: Event[str]) -> None:
    await do_chore("eye")


@step("tell-chore")
async def tell_chore(ctx: StepContext, what: str) -> None:
    ctx.emit("chore.done", what)


@workflow("tell-of-chore", version=1)
async def tell_of_chore(what: str) -> None:
    await tell_chore(what)
