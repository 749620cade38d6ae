import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from core.config import Config
from core.workflow import StepContext, hook, parallel, sleep, step, wait_for, workflow

CALLS = Path("calls")
CHANGED = Path("changed")
STUCK = Path("stuck")
OPEN = Path("open")


class Deaf:
    """A dispatcher with no worker to hear it."""

    def __init__(self, _config: Config) -> None:
        pass

    def dispatch(self, run_ids: Sequence[str]) -> None:
        pass

    def close(self) -> None:
        pass


def note(what: str) -> None:
    with CALLS.open("a") as file:
        file.write(f"{what}\n")


@step("pack")
async def pack(ctx: StepContext, what: str) -> str:
    note(f"pack {what}")
    return what


@pack.compensate
async def unpack(ctx: StepContext, what: str) -> None:
    if STUCK.exists() and what == "glue":
        raise ValueError("it sticks")
    note(f"unpack {what}")


@step("ship", external=True)
async def ship(ctx: StepContext, what: str) -> str:
    note(f"ship {what}")
    return f"parcel of {what}"


@step("pass-gate", external=True)
async def pass_gate(ctx: StepContext) -> None:
    note("at the gate")
    while not OPEN.exists():  # noqa: ASYNC110, a file
        await asyncio.sleep(0.02)


packed = hook("packed", str)


@packed.handler("weigh")
async def weigh(ctx: StepContext, what: str) -> int:
    return len(what)


@workflow("pack-one", version=1)
async def pack_one(what: str) -> str:
    packed_one = await pack(what)
    await packed(packed_one)
    return packed_one


@workflow("pack-all", version=1)
async def pack_all(whats: list[str]) -> str:
    """A child with a hook, a parallel, an external step."""
    await pack_one(whats[0])
    await parallel(*(pack(what) for what in whats[1:]))
    return await ship(" and ".join(whats))


@workflow("pack-when-told", version=1)
async def pack_when_told(first: str) -> list[str]:
    """Packs something else where the body was changed meanwhile."""
    await pack("paper" if CHANGED.exists() else first)
    return [first, await pack(await wait_for("next", str))]


@workflow("pack-then-fail", version=1)
async def pack_then_fail(whats: list[str]) -> None:
    for what in whats:
        await pack(what)
    raise ValueError("torn")


@workflow("pack-tomorrow", version=1)
async def pack_tomorrow(what: str) -> str:
    await pack(what)
    await sleep(timedelta(days=1))
    return what


@workflow("pack-and-pass", version=1)
async def pack_and_pass(what: str) -> str:
    await pack(what)
    await pass_gate()
    return what


ALL = [pack_and_pass, pack_one, pack_all, pack_when_told, pack_then_fail, pack_tomorrow]
