"""External steps against an outside that the test holds in its hands."""

import asyncio
from datetime import timedelta

import msgspec

from core.errors import HoldfastError
from core.workflow import Retry, StepContext, StepResponse, step

from .slots import Calls

QUICK = Retry(attempts=3, backoff=timedelta(milliseconds=1))
SHORT = timedelta(seconds=0.2)


class CardDeclined(HoldfastError):
    """The card was declined."""

    code = "test_card_declined"
    status = 402


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    fails: str = ""
    """What the charge does instead of ending well: `declined`, `broken`, `late`."""


FAILURES: dict[str, Exception] = {"declined": CardDeclined(), "broken": ConnectionError("reset by peer")}


@step("charge", external=True, retry=QUICK, timeout=SHORT)
async def charge(ctx: StepContext, data: Charge) -> StepResponse[str, str]:
    ctx.resolve(Calls).append(f"charge {data.name}")
    if data.fails == "late":
        await asyncio.sleep(60)
    if data.fails:
        raise FAILURES[data.fails]
    return StepResponse(ctx.token, compensate_with=data.name)


@charge.compensate
async def refund(ctx: StepContext, name: str | None) -> None:
    ctx.resolve(Calls).append(f"refund {name}")
