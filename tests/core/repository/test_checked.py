"""A repository that checks rows as a whole."""

import asyncio

import msgspec
import pytest
from msgspec import UNSET

from core.container import Scope
from core.errors import InvalidData, NoTransaction
from core.repository import CheckedRepository
from core.repository.checked import W

from .shop import TOY, CreateToy, Size, Toy, UpdateToy

WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def large_toys_cost_more(toy: Toy | CreateToy) -> None:
    if toy.size is Size.LARGE and toy.price < 50:
        raise InvalidData("a large toy costs 50 at least", field="price")


class Trimmed(CheckedRepository[Toy, CreateToy, UpdateToy]):
    def prepare(self, data: W) -> W:
        typed = super().prepare(data)
        name = getattr(typed, "name", UNSET)
        return typed if name is UNSET else msgspec.structs.replace(typed, name=name.strip())


@pytest.fixture
def toys(scope: Scope) -> Trimmed:
    return Trimmed(TOY, CreateToy, UpdateToy, large_toys_cost_more).bind(scope.session, scope.clock)


async def create(scope: Scope, toys: Trimmed, *data: CreateToy) -> list[Toy]:
    async with scope.transaction():
        return await toys.create(data)


async def test_a_new_row_is_checked_whatever_its_values_were_built_from(scope: Scope, toys: Trimmed) -> None:
    for size in (Size.LARGE, "large"):
        with pytest.raises(InvalidData, match="50 at least"):
            await create(scope, toys, CreateToy(), CreateToy(size=size, price=49))  # pyright: ignore[reportArgumentType]
    assert await toys.list() == []
    [toy] = await create(scope, toys, CreateToy(size=Size.LARGE, price=50))
    assert (toy.size, toy.stock) == (Size.LARGE, 7)


async def test_a_change_is_checked_with_the_rest_of_its_row(scope: Scope, toys: Trimmed) -> None:
    cheap, dear = await create(scope, toys, CreateToy(price=10), CreateToy(size=Size.LARGE))
    for change in (UpdateToy(id=cheap.id, size=Size.LARGE), UpdateToy(id=dear.id, price=10)):
        with pytest.raises(InvalidData, match="50 at least"):
            async with scope.transaction():
                await toys.update([change])
    async with scope.transaction():
        [both] = await toys.update([UpdateToy(id=cheap.id, size=Size.LARGE, price=90)])
    assert [toy.name for toy in await toys.list()] == ["Bear", "Bear"]
    assert (both.size, both.price) == (Size.LARGE, 90)


async def test_what_is_prepared_is_what_is_written(scope: Scope, toys: Trimmed) -> None:
    [toy] = await create(scope, toys, CreateToy(name=" Bear "))
    async with scope.transaction():
        [changed] = await toys.upsert([UpdateToy(id=toy.id, name=" Wolf\n")])
    assert (toy.name, changed.name) == ("Bear", "Wolf")


async def test_a_change_waits_for_one_that_would_make_it_wrong(scope: Scope, toys: Trimmed) -> None:
    [toy] = await create(scope, toys, CreateToy(price=60))

    async def cheapen() -> None:
        async with scope.container.scope() as own, own.transaction():
            await toys.bind(own.session, own.clock).update([UpdateToy(id=toy.id, price=10)])

    async with scope.transaction():
        await toys.update([UpdateToy(id=toy.id, size=Size.LARGE)])
        other = asyncio.create_task(cheapen())
        async with scope.container.scope() as watcher:
            while not await watcher.session.sql(WAITING):
                assert not other.done()
    with pytest.raises(InvalidData, match="50 at least"):
        await other


async def test_writes_need_a_transaction(toys: Trimmed) -> None:
    with pytest.raises(NoTransaction):
        await toys.update([UpdateToy(id="toy_1", price=60)])
