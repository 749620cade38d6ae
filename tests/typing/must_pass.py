"""What the type checker knows of right uses."""

from asyncio import Task
from datetime import datetime, timedelta
from typing import Any, assert_type
from uuid import UUID

from core.container import Scope
from core.errors import InvalidData
from core.link import Link, LinkedPair, LinkPairs, Links, create_links, define_link
from core.query import Nested, Page
from core.repository import Reader, Repository
from core.workflow import (
    ExternalStep,
    ReadStep,
    Retry,
    Run,
    Step,
    StepContext,
    Workflow,
    now,
    parallel,
    random,
    signal,
    signal_failure,
    sleep,
    start,
    uuid,
    wait_for,
    workflow,
)
from core.workflow.call import Call
from tests.core.repository.shop import (
    MAKER,
    TOY,
    CreateToy,
    Maker,
    ShopService,
    Toy,
    ToyName,
    UpdateToy,
)

from .steps import Order, Receipt, charge, create_order, find_order, greet, order, ordered, print_receipt, tick


async def body_of_a_workflow() -> None:
    assert_type(create_order("a"), Call[Order])
    assert_type(await create_order("a"), Order)
    assert_type(await create_order(id="a", note="b"), Order)
    assert_type(await print_receipt(await create_order("a")), Receipt)
    assert_type(await find_order("a"), Order | None)
    ordered_one = await create_order("a")
    assert_type(await charge(ordered_one, cents=1), Receipt)
    once = charge.with_options(retry=Retry(attempts=1), timeout=timedelta(seconds=1))
    assert_type(await once(ordered_one, cents=1), Receipt)
    assert_type(await order("a"), Receipt)
    assert_type(await ordered(ordered_one), None)
    assert_type(await parallel(create_order("a"), order("b")), tuple[Order, Receipt])
    assert_type(await parallel(order("a"), find_order("b"), tick(None)), tuple[Receipt, Order | None, list[int]])
    assert_type(await parallel(*[create_order("a")]), tuple[Order, ...])
    assert_type((await now(), await uuid(), await random()), tuple[datetime, UUID, float])
    assert_type(await sleep(timedelta(hours=1)), None)
    assert_type(await wait_for("paid", Receipt), Receipt)
    assert_type(await wait_for("told", list[int], timeout=timedelta(hours=1)), list[int])
    assert_type(await start(order, "a", key="k"), str)
    await signal(await start(tick, None), "paid", Receipt(1))
    assert_type(await signal("run_1", "told"), None)
    assert_type(await signal_failure("run_1", "paid", InvalidData("too little")), None)


async def caller_of_a_workflow(scope: Scope) -> None:
    assert_type(order, Workflow[str, Receipt])
    assert_type(await order.run(scope, "a"), Receipt)
    wait = timedelta(seconds=1)
    assert_type(await order.run(scope, "a", key="k", wait=wait, context={"actor": "jo"}), Receipt)
    assert_type(await tick.run(scope, None), list[int])
    run = await order.start(scope, "a", key="k", context={"actor": "jo"})
    assert_type(run, Run[Receipt])
    assert_type(await run.result(), Receipt)
    assert_type(await run.result(wait=wait), Receipt)
    assert_type(run.id, str)
    assert_type(run.watch(print, wait=wait), Task[None])
    assert_type(in_time, Workflow[str, None])


@workflow("in-time", version=1, timeout=timedelta(minutes=5), retention=timedelta(0))
async def in_time(data: str) -> None: ...


def read(reading: ReadStep[..., Order | None]) -> None: ...


def write(writing: Step[..., Receipt, Receipt]) -> None: ...


def act(acting: ExternalStep[..., Receipt, str]) -> None: ...


def handle(handling: Step[[Order], None, int]) -> None: ...


def kinds_of_steps() -> None:
    read(find_order)
    write(print_receipt)
    act(charge)
    handle(greet)


async def step(ctx: StepContext) -> None:
    assert_type(ctx.resolve(ShopService), ShopService)
    assert_type(ctx.token, str)


async def service(shop: ShopService) -> None:
    assert_type(TOY.repository(), Repository[Toy, CreateToy, UpdateToy])
    assert_type(shop.catalogue, Reader[Toy])
    assert_type(await shop.toys.create([CreateToy(name="Bear")]), list[Toy])
    assert_type(await shop.toys.update([UpdateToy(id="toy_1", price=5)]), list[Toy])
    assert_type(await shop.toys.upsert([CreateToy(), UpdateToy(id="toy_1")]), list[Toy])
    assert_type(await shop.toys.retrieve("toy_1"), Toy)
    assert_type(await shop.toys.list({"price": {"$lt": 5}}, order={"name": "asc"}, take=3), list[Toy])
    assert_type(await shop.toys.list(select=ToyName), list[ToyName])
    assert_type(await shop.toys.list_and_count(), tuple[list[Toy], int])


async def linking(links: Links) -> None:
    link = define_link(TOY.many(), MAKER, delete_cascade=[TOY])
    assert_type(link, Link)
    assert_type(await links.create(link, [("toy_1", "mkr_1")]), list[LinkedPair])
    assert_type(await links.create(link, {("toy_1", "mkr_1"): {"note": "x"}}), list[LinkedPair])
    assert_type(await links.dismiss(link, [("toy_1", "mkr_1")]), list[LinkedPair])
    assert_type(await links.list(link, {"toy_id": "toy_1"}, take=1), list[LinkedPair])
    await links.delete(MAKER, ["mkr_1"])
    assert_type(await create_links(LinkPairs.of(link, [("toy_1", "mkr_1")])), None)


async def graphs(scope: Scope) -> None:
    rows = await scope.query.graph(TOY, fields=["*", "maker.name"], filters={"maker.name": "Lego"}, take=3, count=True)
    assert_type(rows, Page[dict[str, Any]])
    nested = {"toys": Nested(take=3, order={"price": "desc"})}
    assert_type(await scope.query.graph(MAKER, select=Maker, nested=nested, order={"name": "asc"}), Page[Maker])
    assert_type(await scope.query.graph_json(TOY, select=ToyName, skip=3), bytes)
    assert_type(await scope.query.one(TOY, filters={"id": "toy_1"}), dict[str, Any])
    assert_type(await scope.query.one(TOY, select=ToyName, filters={"id": "toy_1"}), ToyName)
