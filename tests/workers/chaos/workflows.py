"""Workflows that run in the background and leave a row for all that they do."""

import asyncio
import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import msgspec

from core.errors import HoldfastError
from core.event import Event, subscriber
from core.testing import crash_at
from core.workflow import Retry, StepContext, StepResponse, sleep, step, workflow

TABLES = """
CREATE TABLE effect (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run text NOT NULL, what text NOT NULL,
    number integer NOT NULL)"""
RECORD = "INSERT INTO effect (run, what, number) VALUES (%s, %s, %s)"
GATE = Path("gate")
"""Opened by the tests; in the folder where the process works."""
KNOCKED = Path("knocked")
"""Left by the first attempt, which its process does not survive."""
WAY_SECONDS = 0.3
"""From the gate to the end; long enough to be killed there by another run."""
NIGHT = timedelta(hours=8)
CRASH = "CHAOS_CRASH_AT"
QUICK = Retry(attempts=3, backoff=timedelta(milliseconds=10))

if point := os.environ.get(CRASH):
    crash_at(point)


class Ordered(msgspec.Struct, frozen=True):
    """The data of the event."""

    number: int


class Refused(HoldfastError):
    """As planned."""

    code = "chaos_refused"
    status = 422


async def leave_row(ctx: StepContext, what: str, number: int) -> None:
    await ctx.scope.session.writable(what).sql(RECORD, (ctx.run_id, what, number))


@step("order")
async def order(ctx: StepContext, number: int) -> StepResponse[int, int]:
    await leave_row(ctx, "ordered", number)
    ctx.emit("chaos.ordered", Ordered(number))
    return StepResponse(number, compensate_with=number)


@order.compensate
async def take_back(ctx: StepContext, number: int) -> None:
    await leave_row(ctx, "taken back", number)


@step("bill")
async def bill(ctx: StepContext, number: int) -> None:
    await leave_row(ctx, "billed", number)


@step("refuse")
async def refuse(ctx: StepContext) -> None:
    raise Refused


@step("tell")
async def tell(ctx: StepContext, number: int) -> None:
    await leave_row(ctx, "told", number)


@step("pass-gate", external=True)
async def pass_gate(ctx: StepContext) -> None:
    while not GATE.exists():  # noqa: ASYNC110, a file
        await asyncio.sleep(0.02)
    await asyncio.sleep(WAY_SECONDS)


def stand_at_gate() -> None:
    while not GATE.exists():
        time.sleep(0.02)


@step("hold-thread", external=True)
async def hold_thread(ctx: StepContext) -> None:
    await asyncio.to_thread(stand_at_gate)


@step("die", external=True)
async def die(ctx: StepContext) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@step("knock", external=True)
async def knock(ctx: StepContext, number: int) -> None:
    ctx.emit("chaos.ordered", Ordered(number))
    ctx.emit("chaos.ordered", Ordered(number + 1), at_once=True)
    if not KNOCKED.exists():
        KNOCKED.touch()
        os.kill(os.getpid(), signal.SIGKILL)


@workflow("chaos-order", version=1)
async def place_order(number: int) -> int:
    """Two commits and an event; every tenth is refused half-way, and undone."""
    await order(number)
    if number % 10 == 9:
        await refuse()
    await bill(number)
    return number


@workflow("chaos-gate", version=1)
async def place_behind_gate(number: int) -> int:
    """Is in the middle of it until the gate opens."""
    await order(number)
    await pass_gate()
    await bill(number)
    return number


@workflow("chaos-thread", version=1)
async def place_in_thread(number: int) -> int:
    """Holds one of the loop's threads until the gate opens."""
    await order(number)
    await hold_thread()
    await bill(number)
    return number


@workflow("chaos-night", version=1)
async def place_overnight(number: int) -> int:
    """Sleeps in the middle of it."""
    await order(number)
    await sleep(NIGHT)
    await bill(number)
    return number


@workflow("chaos-knock", version=1)
async def knock_twice(number: int) -> int:
    """Emits an event by an external step that has to be done twice."""
    await knock(number)
    return number


@workflow("chaos-poison", version=1)
async def kill_process(number: int) -> int:
    """Kills each process that drives it."""
    await die()
    return number


@workflow("chaos-broken", version=1)
async def break_down(number: int) -> int:
    """Fails with an error that nobody foresaw."""
    raise ValueError(f"number {number}")


@subscriber("chaos.ordered", id="chaos-tell", retry=QUICK)
async def tell_of_order(event: Event[Ordered]) -> None:
    await tell(event.data.number)
