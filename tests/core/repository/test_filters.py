from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine.interfaces import CacheStats

from core.container import Scope
from core.errors import InvalidData

from .shop import CreateToy, ShopService, Size

MORNING = datetime(2026, 5, 1, 9, tzinfo=UTC)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
async def toys(service: ShopService, scope: Scope) -> ShopService:
    """Four toys, of which `doll` has NULL wherever it may."""
    async with scope.transaction():
        await service.toys.create(
            [
                CreateToy(name="ape", sku="A_1", price=1, weight=10, released_at=MORNING, tags=["soft", "wild"]),
                CreateToy(
                    name="Bear", sku="B%2", price=2, weight=20, released_at=NOON, metadata={"a": {"b": 1, "c": 2}}
                ),
                CreateToy(
                    name="car", sku="c\\3", price=3, weight=30, size=Size.LARGE, is_sold=True, colours=["red", "blue"]
                ),
                CreateToy(name="doll", price=4),
            ]
        )
    return service


async def names(service: ShopService, filters: Mapping[str, Any]) -> str:
    return " ".join(sorted(toy.name for toy in await service.toys.list(filters)))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, "Bear ape car doll"),
        ({"name": "ape"}, "ape"),
        ({"name": {"$eq": "ape"}}, "ape"),
        ({"size": Size.LARGE}, "car"),
        ({"size": "large"}, "car"),
        ({"is_sold": False, "price": {"$gt": 1}}, "Bear doll"),
        ({"price": [1, 4, 9]}, "ape doll"),
        ({"price": {"$in": {1, 4}}}, "ape doll"),
        ({"price": {"$in": []}}, ""),
        ({"sku": None}, "doll"),
        ({"sku": {"$eq": None}}, "doll"),
        ({"sku": ["A_1", None]}, "ape doll"),
        ({"sku": {"$ne": "A_1"}}, "Bear car doll"),
        ({"sku": {"$ne": None}}, "Bear ape car"),
        ({"sku": {"$nin": ["A_1", "B%2"]}}, "car doll"),
        ({"sku": {"$nin": ["A_1", None]}}, "Bear car"),
        ({"sku": {"$nin": []}}, "Bear ape car doll"),
        ({"price": {"$gt": 1, "$lte": 3}}, "Bear car"),
        ({"price": {"$gte": 3}}, "car doll"),
        ({"weight": {"$lt": 30}}, "Bear ape"),
        ({"released_at": {"$lt": NOON}}, "ape"),
        ({"released_at": {"$lte": "2026-05-01T14:00:00+02:00"}}, "Bear ape"),
        ({"released_at": [MORNING, NOON]}, "Bear ape"),
        ({"name": {"$lt": "a"}}, "Bear"),
        ({"name": {"$like": "%a%"}}, "Bear ape car"),
        ({"name": {"$like": "b%"}}, ""),
        ({"name": {"$ilike": "b%"}}, "Bear"),
        ({"sku": {"$like": "%\\%%"}}, "Bear"),
        ({"sku": {"$like": "%\\\\3"}}, "car"),
        ({"tags": {"$contains": ["wild"]}}, "ape"),
        ({"tags": {"$contains": ["wild", "tame"]}}, ""),
        ({"tags": {"$eq": ["soft", "wild"]}}, "ape"),
        ({"tags": {"$ne": ["soft", "wild"]}}, "Bear car doll"),
        ({"tags": [["soft", "wild"], ["x"]]}, "ape"),
        ({"metadata": {"$contains": {"a": {"b": 1}}}}, "Bear"),
        ({"metadata": {"$eq": {"a": {"c": 2, "b": 1}}}}, "Bear"),
        ({"colours": {"$contains": ["blue"]}}, "car"),
        ({"colours": {"$eq": ["red", "blue"]}}, "car"),
        ({"tags": {"$nin": [["soft", "wild"]]}}, "Bear car doll"),
        ({"tags": {"$in": []}}, ""),
        ({"colours": [["red", "blue"], None]}, "Bear ape car doll"),
        ({"metadata": None}, "ape car doll"),
        ({"weight": {"$exists": True}}, "Bear ape car"),
        ({"weight": {"$exists": False}}, "doll"),
        ({"$or": [{"price": 1}, {"name": "doll"}]}, "ape doll"),
        ({"$or": []}, ""),
        ({"$and": [{"price": {"$gt": 1}}, {"price": {"$lt": 3}}]}, "Bear"),
        ({"$and": []}, "Bear ape car doll"),
        ({"$not": {"price": 1, "name": "ape"}}, "Bear car doll"),
        ({"$not": {"weight": {"$gt": 10}}}, "ape doll"),
        ({"price": {"$not": {"$in": [1, 2]}}}, "car doll"),
        ({"price": {"$or": [{"$lt": 2}, {"$gt": 3}]}}, "ape doll"),
        ({"$or": [{"$and": [{"price": 1}, {"name": "ape"}]}, {"$not": {"price": {"$lt": 4}}}]}, "ape doll"),
    ],
)
async def test_a_filter_matches(toys: ShopService, filters: Mapping[str, Any], expected: str) -> None:
    assert await names(toys, filters) == expected


@pytest.mark.parametrize(
    ("filters", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"cost": 1}, "cost"),
        ({"maker": "x"}, "maker"),
        ({"$nor": []}, r"\$nor"),
        ({"price": {"$near": 1}}, r"price: unknown operator '\$near'"),
        ({"metadata": {"a": 1}}, "metadata: unknown operator 'a'"),
        ({"price": {}}, "price: no operator"),
        ({"price": "abc"}, "price: Expected `int`, got `str`"),
        ({"price": True}, "price: Expected `int`, got `bool`"),
        ({"price": 2**31}, "price: 2147483648 is too large"),
        ({"weight": {"$gt": -(2**63) - 1}}, "weight"),
        ({"price": {"$in": [1, "x"]}}, "price"),
        ({"price": {"$in": 1}}, r"price: \$in takes a list"),
        ({"price": {"$gt": None}}, "price"),
        ({"size": "huge"}, "size: Invalid enum value 'huge'"),
        ({"is_sold": "yes"}, "is_sold"),
        ({"released_at": "soon"}, "released_at"),
        ({"released_at": {"$lt": datetime(2026, 1, 1)}}, "released_at: 2026-01-01T00:00:00 has no time zone"),
        ({"released_at": "2026-01-01T00:00:00"}, "released_at: .* has no time zone"),
        ({"name": "a\0"}, "name: .*NUL"),
        ({"name": "\udc00"}, "name"),
        ({"name": {"$like": "a\0"}}, "name: .*NUL"),
        ({"name": {"$like": 5}}, "name: Expected `str`"),
        ({"name": {"$ilike": "a\\"}}, "name: a pattern"),
        ({"price": {"$like": "1"}}, "price is not text"),
        ({"price": {"$contains": [1]}}, "price is neither"),
        ({"tags": {"$contains": {"\0": 1}}}, "tags: .*NUL"),
        ({"tags": {"$contains": "x"}}, "tags"),
        ({"price": {"$exists": 1}}, r"price: \$exists"),
        ({"$or": {"price": 1}}, r"\$or takes a list"),
        ({"$and": [1]}, "a filter is an object"),
        ({"$not": [1]}, "a filter is an object"),
    ],
)
async def test_an_unknown_filter_is_refused(toys: ShopService, filters: Mapping[str, Any], named: str) -> None:
    with pytest.raises(InvalidData, match=named):
        await toys.toys.list(filters)


async def test_refuses_filters_nested_without_end(toys: ShopService) -> None:
    filters: Mapping[str, Any] = {"price": 1}
    for _ in range(5000):
        filters = {"$not": filters}
    with pytest.raises(InvalidData, match="nested"):
        await toys.toys.list(filters)


async def test_compares_text_by_code_point_like_it_sorts(toys: ShopService, scope: Scope) -> None:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(scope.container.engine.sync_engine, "before_cursor_execute", note)
    ordered = [toy.name for toy in await toys.toys.list(order={"name": "asc"})]
    after = [toy.name for toy in await toys.toys.list({"name": {"$gt": "Bear"}}, order={"name": "asc"})]
    assert ordered == ["Bear", *after]
    # The server at hand may know no other collation, so the order alone proves nothing.
    assert [statement.count('COLLATE "C"') for statement in statements] == [1, 2]


async def test_a_statement_is_compiled_once_for_all_values(toys: ShopService, scope: Scope) -> None:
    hits: list[bool] = []

    def note(_connection: object, _cursor: object, _statement: str, _parameters: object, context: Any, *_: Any) -> None:
        hits.append(context.cache_hit is CacheStats.CACHE_HIT)

    event.listen(scope.container.engine.sync_engine, "before_cursor_execute", note)
    await toys.toys.list({"price": [1], "maker_id": "a", "name": {"$like": "a%"}}, take=1, q="a")
    await toys.toys.list({"price": [1, 2, 3], "maker_id": "b", "name": {"$like": "b%"}}, take=2, q="b")
    assert hits == [False, True]
