"""Wrong uses: the type checker must refuse each line that names a rule, and no other."""

from datetime import timedelta

from core.container import Scope
from core.link import Link, Links, create_links, define_link
from core.query import Page
from core.workflow import (
    StepContext,
    StepResponse,
    hook,
    parallel,
    signal,
    signal_failure,
    sleep,
    start,
    step,
    wait_for,
    workflow,
)
from tests.core.repository.shop import TOY, CreateMaker, CreateToy, ShopService, Toy, UpdateMaker, UpdateToy

from .steps import Order, Receipt, charge, create_order, find_order, order, ordered, print_receipt, tick


async def body_of_a_workflow() -> None:
    await create_order()  # error: reportCallIssue
    await create_order(1)  # error: reportArgumentType
    await create_order("a", "b")  # error: reportCallIssue
    await create_order("a", notes="b")  # error: reportCallIssue
    await print_receipt("a")  # error: reportArgumentType
    await print_receipt(create_order("a"))  # error: reportArgumentType
    wrong: Receipt = await create_order("a")  # error: reportAssignmentType
    response: StepResponse[Order, int] = await create_order("a")  # error: reportAssignmentType
    not_none: Order = await find_order("a")  # error: reportAssignmentType
    print(create_order("a").id)  # error: reportAttributeAccessIssue
    print(wrong, response, not_none)
    await charge.with_options(retry=3)(not_none, cents=1)  # error: reportArgumentType
    await charge(not_none, cents=1, timeout=timedelta(seconds=1))  # error: reportCallIssue
    await order(1)  # error: reportArgumentType
    await order("a", key="k")  # error: reportCallIssue
    await ordered("a")  # error: reportArgumentType
    await parallel("a", order("b"))  # error: reportArgumentType
    both: tuple[Receipt, Receipt] = await parallel(order("a"), create_order("b"))  # error: reportAssignmentType
    print(both)
    await sleep(5)  # error: reportArgumentType
    await sleep()  # error: reportCallIssue
    await wait_for("paid")  # error: reportCallIssue
    await wait_for("paid", 1)  # error: reportArgumentType
    await wait_for("paid", Receipt, timedelta(hours=1))  # error: reportCallIssue
    await wait_for("paid", Receipt, timeout=3600)  # error: reportArgumentType
    told: str = await wait_for("paid", Receipt)  # error: reportAssignmentType
    print(told)
    await parallel(sleep(timedelta()), "b")  # error: reportArgumentType
    await start(order, 1)  # error: reportArgumentType
    await start(create_order, "a")  # error: reportArgumentType
    started: Receipt = await start(order, "a")  # error: reportAssignmentType
    print(started)
    await signal("run_1")  # error: reportCallIssue
    await signal(1, "paid")  # error: reportArgumentType
    await signal_failure("run_1", "paid", "too little")  # error: reportArgumentType


async def caller_of_a_workflow(scope: Scope) -> None:
    await order.run(scope)  # error: reportCallIssue
    await order.run(scope, 1)  # error: reportArgumentType
    await order.run("a", "a")  # error: reportArgumentType
    await order.run(scope, data="a")  # error: reportCallIssue
    await order.run(scope, "a", "k")  # error: reportCallIssue
    await order.run(scope, "a", key=1)  # error: reportArgumentType
    await order.run(scope, "a", wait=1)  # error: reportArgumentType
    await tick.run(scope, timedelta())  # error: reportArgumentType
    number: int = await order.run(scope, "a")  # error: reportAssignmentType
    print(number)
    await order.start(scope, 1)  # error: reportArgumentType
    await order.start(scope, "a", wait=timedelta())  # error: reportCallIssue
    await order.start(scope, "a").result()  # error: reportAttributeAccessIssue
    run = await order.start(scope, "a")
    await run.result(timedelta(seconds=1))  # error: reportCallIssue
    late: int = await run.result()  # error: reportAssignmentType
    print(late)
    run.watch(timedelta)  # error: reportArgumentType


@step("step-without-context")  # error: reportArgumentType
async def without_context() -> None: ...


@step("step-that-is-not-async")  # error: reportArgumentType
def not_async(ctx: StepContext) -> int:
    return 1


@step("take")
async def take(ctx: StepContext, id: str) -> StepResponse[Order, int]:
    return StepResponse(id, compensate_with=1)  # error: reportReturnType


@take.compensate  # error: reportArgumentType
async def give_back(ctx: StepContext, id: str) -> None: ...


@print_receipt.compensate  # error: reportArgumentType
async def tear_up_nothing(ctx: StepContext) -> None: ...


@find_order.compensate  # error: reportAttributeAccessIssue
async def lose(ctx: StepContext, found: Order | None) -> None: ...


@charge.compensate  # error: reportArgumentType
async def refund_certainly(ctx: StepContext, token: str) -> None: ...


@ordered.handler("misunderstand")  # error: reportArgumentType
async def misunderstand(ctx: StepContext, order: str) -> None: ...


hook("ordered")  # error: reportCallIssue
step("both", external=True, read=True)  # error: reportCallIssue


@workflow("two", version=1)  # error: reportArgumentType
async def two_arguments(a: str, b: str) -> None: ...


@workflow("in-seconds", version=1, timeout=5)  # error: reportArgumentType
async def in_seconds(data: str) -> None: ...


@workflow("no-version")  # error: reportCallIssue
async def no_version(data: str) -> None: ...


async def service(shop: ShopService) -> None:
    await shop.toys.create(CreateToy())  # error: reportArgumentType
    await shop.toys.create([CreateMaker(name="m")])  # error: reportArgumentType
    await shop.toys.create([UpdateToy(id="a")])  # error: reportArgumentType
    await shop.toys.update([UpdateMaker(id="a")])  # error: reportArgumentType
    await shop.toys.list(limit=3)  # error: reportCallIssue
    await shop.catalogue.create([CreateToy()])  # error: reportAttributeAccessIssue
    toys: Toy = await shop.toys.list()  # error: reportAssignmentType
    print(toys)


async def linking(links: Links, link: Link) -> None:
    define_link(TOY, "maker")  # error: reportArgumentType
    define_link(TOY, Toy)  # error: reportArgumentType
    await links.create("toy_maker", [("toy_1", "mkr_1")])  # error: reportArgumentType
    await links.create(link, ("toy_1", "mkr_1"))  # error: reportArgumentType
    await links.create(link, [("toy_1",)])  # error: reportArgumentType
    await links.delete(link, ["mkr_1"])  # error: reportArgumentType
    await create_links([("toy_1", "mkr_1")])  # error: reportArgumentType


async def graphs(scope: Scope) -> None:
    await scope.query.graph("toy")  # error: reportArgumentType
    await scope.query.graph(TOY, order={"name": "up"})  # error: reportArgumentType
    await scope.query.graph(TOY, nested={"maker.toys": 3})  # error: reportArgumentType
    await scope.query.graph(TOY, limit=3)  # error: reportCallIssue
    await scope.query.graph(TOY, select=dict)  # error: reportArgumentType
    await scope.query.one(TOY, take=1)  # error: reportCallIssue
    named: Page[Toy] = await scope.query.graph(TOY)  # error: reportAssignmentType
    found: Toy = await scope.query.one(TOY, select=CreateToy)  # error: reportAssignmentType
    print(named, found)
