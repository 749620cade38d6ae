from typing import Unpack

import pytest

from core.container import Scope
from core.errors import InvalidData, NotFound
from core.repository.selection import Options

from .shop import CreateToy, ShopService, ToyName


@pytest.fixture
async def toys(service: ShopService, scope: Scope) -> ShopService:
    async with scope.transaction():
        await service.toys.create(
            [
                CreateToy(name="ape", sku="50%", price=3, weight=2),
                CreateToy(name="Bear", sku="500", price=1),
                CreateToy(name="äffchen", sku="a_b", price=3, weight=1),
                CreateToy(name="Car", sku="a\\b", price=2, weight=2),
            ]
        )
    return service


async def names(service: ShopService, **options: Unpack[Options]) -> list[str]:
    return [toy.name for toy in await service.toys.list(**options)]


async def test_retrieves_by_id_or_says_what_is_missing(toys: ShopService) -> None:
    [first, *_] = await toys.toys.list()
    assert await toys.toys.retrieve(first.id) == first
    with pytest.raises(NotFound, match="no toy toy_gone"):
        await toys.toys.retrieve("toy_gone")


async def test_sorts_text_by_code_point(toys: ShopService) -> None:
    assert await names(toys, order={"name": "asc"}) == ["Bear", "Car", "ape", "äffchen"]
    assert await names(toys, order={"name": "desc"}) == ["äffchen", "ape", "Car", "Bear"]


async def test_sorts_nulls_last_in_both_directions(toys: ShopService) -> None:
    assert await names(toys, order={"weight": "asc", "name": "asc"}) == ["äffchen", "Car", "ape", "Bear"]
    assert await names(toys, order={"weight": "desc", "name": "asc"}) == ["Car", "ape", "äffchen", "Bear"]


async def test_breaks_ties_by_id(toys: ShopService) -> None:
    by_price = await toys.toys.list(order={"price": "desc"})
    assert [toy.price for toy in by_price] == [3, 3, 2, 1]
    assert by_price[0].id < by_price[1].id
    assert [toy.id for toy in await toys.toys.list()] == sorted(toy.id for toy in by_price)
    descending = await toys.toys.list(order={"id": "desc"})
    assert [toy.id for toy in descending] == sorted((toy.id for toy in by_price), reverse=True)


async def test_takes_a_page_and_counts_all(toys: ShopService) -> None:
    page, count = await toys.toys.list_and_count({"price": {"$gt": 1}}, order={"name": "asc"}, take=1, skip=1)
    assert ([toy.name for toy in page], count) == (["ape"], 3)
    assert await toys.toys.list_and_count(take=0) == ([], 4)
    assert await toys.toys.list_and_count(skip=9) == ([], 4)


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("BEAR", ["Bear"]),
        ("50", ["Bear", "ape"]),
        ("0%", ["ape"]),
        ("a_b", ["äffchen"]),
        ("a\\b", ["Car"]),
        ("nothing", []),
        ("", ["Bear", "Car", "ape", "äffchen"]),
    ],
)
async def test_searches_the_searchable_fields_literally(toys: ShopService, q: str, expected: list[str]) -> None:
    assert await names(toys, q=q, order={"name": "asc"}) == expected


async def test_counts_what_the_search_finds(toys: ShopService) -> None:
    _, count = await toys.toys.list_and_count(q="50", take=1)
    assert count == 2


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"order": {"colour": "asc"}}, "colour"),
        ({"order": {"price": "up"}}, "price"),
        ({"take": -1}, "take"),
        ({"skip": 2**63}, "skip"),
        ({"q": "a\0"}, "q"),
        ({"q": "\ud800"}, "q"),
        ({"relations": ["owner"]}, "owner"),
    ],
)
async def test_refuses_options_that_make_no_sense(toys: ShopService, options: Options, named: str) -> None:
    with pytest.raises(InvalidData, match=named):
        await toys.toys.list(**options)


async def test_refuses_to_search_where_nothing_is_searchable(toys: ShopService) -> None:
    with pytest.raises(InvalidData, match="maker has no fields to search"):
        await toys.makers.list(q="x")


async def test_reads_only_the_columns_of_a_selected_struct(toys: ShopService) -> None:
    found = await toys.toys.list({"name": "ape"}, select=ToyName)
    assert found == [ToyName(id=found[0].id, name="ape")]
    assert await toys.toys.list_and_count({"name": "ape"}, select=ToyName) == (found, 1)


async def test_a_reader_reads_what_the_repository_wrote(toys: ShopService) -> None:
    assert await toys.catalogue.list() == await toys.toys.list()
    assert not hasattr(toys.catalogue, "create")


async def test_reads_see_the_writes_of_their_transaction(toys: ShopService, scope: Scope) -> None:
    async with scope.transaction():
        await toys.toys.create([CreateToy(name="new")])
        assert len(await toys.toys.list()) == 5


async def test_two_services_do_not_share_a_session(scope: Scope) -> None:
    async with scope.container.scope() as other, scope.transaction():
        mine, theirs = scope.resolve(ShopService), other.resolve(ShopService)
        await mine.toys.create([CreateToy()])
        assert await theirs.toys.list() == []
