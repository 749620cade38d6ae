"""What the code is after the next deployment, and what it must not become: other bodies for the same workflows."""

from core.workflow import workflow

from .sagas import Order, OutOfStock, ask, write


@workflow("three-writes", version=2)
async def three_writes(data: Order) -> list[int]:
    return [await write(number) for number in (4, 3, 2, 1)]


@workflow("fail-late", version=2)
async def fail_late(data: Order) -> None:
    await ask(1)
    await write(2)
    await write(3)
    raise OutOfStock


@workflow("three-writes", version=1)
async def diverging_three_writes(data: Order) -> list[int]:
    return [await ask(number) for number in (1, 2, 3)]
