"""Steps and workflows that the typing tests call rightly and wrongly."""

from datetime import datetime

import msgspec

from core.workflow import StepContext, StepResponse, hook, step, workflow


class Order(msgspec.Struct, frozen=True):
    id: str
    at: datetime


class Receipt(msgspec.Struct, frozen=True):
    number: int


@step("create-order")
async def create_order(ctx: StepContext, id: str, *, note: str = "") -> StepResponse[Order, int]:
    return StepResponse(Order(id, ctx.scope.clock.now()), compensate_with=1)


@create_order.compensate
async def delete_order(ctx: StepContext, number: int) -> None: ...


@step("print-receipt")
async def print_receipt(ctx: StepContext, order: Order) -> Receipt:
    return Receipt(len(order.id))


@print_receipt.compensate
async def tear_up(ctx: StepContext, receipt: Receipt) -> None: ...


@step("find-order", read=True)
async def find_order(ctx: StepContext, id: str) -> Order | None:
    return None


@step("charge", external=True)
async def charge(ctx: StepContext, order: Order, *, cents: int) -> StepResponse[Receipt, str]:
    return StepResponse(Receipt(cents), compensate_with=ctx.token)


@charge.compensate
async def refund(ctx: StepContext, token: str | None) -> None: ...


ordered = hook("ordered", Order)


@ordered.handler("greet", order=10)
async def greet(ctx: StepContext, order: Order) -> StepResponse[None, int]:
    return StepResponse(None, compensate_with=1)


@greet.compensate
async def ungreet(ctx: StepContext, number: int) -> None: ...


@workflow("order", version=1)
async def order(data: str) -> Receipt:
    return await print_receipt(await create_order(data))


@workflow("tick", version=1)
async def tick(data: None) -> list[int]:
    return [1]
