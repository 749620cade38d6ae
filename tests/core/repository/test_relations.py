from typing import Any

import pytest
from sqlalchemy import Engine, event

from core.container import Scope
from core.errors import InvalidData

from .shop import CreateMaker, CreateToy, Maker, ShopService


@pytest.fixture
async def maker(service: ShopService, scope: Scope) -> Maker:
    """Steiff, with toys a and b, beside Lego, which has none, and an orphan."""
    async with scope.transaction():
        steiff, _lego = await service.makers.create([CreateMaker(name="Steiff"), CreateMaker(name="Lego")])
        await service.toys.create([CreateToy(name=name, maker_id=steiff.id) for name in "ab"])
        await service.toys.create([CreateToy(name="orphan")])
    return steiff


def toy_names(maker: Maker) -> list[str]:
    assert isinstance(maker.toys, list)
    return sorted(toy.name for toy in maker.toys)


async def test_relations_stay_unset_unless_asked_for(service: ShopService, maker: Maker) -> None:
    assert not isinstance((await service.makers.retrieve(maker.id)).toys, list)


async def test_loads_the_many(service: ShopService, maker: Maker) -> None:
    assert toy_names(await service.makers.retrieve(maker.id, relations=["toys"])) == ["a", "b"]
    makers = await service.makers.list(relations=["toys"], order={"name": "asc"})
    assert [(one.name, toy_names(one)) for one in makers] == [("Lego", []), ("Steiff", ["a", "b"])]


async def test_loads_the_one_or_none(service: ShopService, maker: Maker) -> None:
    toys = await service.toys.list(relations=["maker"], order={"name": "asc"})
    assert [(toy.name, toy.maker) for toy in toys] == [("a", maker), ("b", maker), ("orphan", None)]


async def test_loads_relations_of_relations(service: ShopService, maker: Maker) -> None:
    [toy] = await service.toys.list({"name": "a"}, relations=["maker.toys.maker"])
    assert isinstance(toy.maker, Maker)
    assert toy_names(toy.maker) == ["a", "b"]
    assert isinstance(toy.maker.toys, list)
    assert {sibling.maker for sibling in toy.maker.toys if isinstance(sibling.maker, Maker)} == {maker}


async def test_hides_soft_deleted_relations_unless_asked(service: ShopService, scope: Scope, maker: Maker) -> None:
    async with scope.transaction():
        [toy] = await service.toys.list({"name": "a"})
        await service.toys.soft_delete([toy.id])
    assert toy_names(await service.makers.retrieve(maker.id, relations=["toys"])) == ["b"]
    everything = await service.makers.retrieve(maker.id, relations=["toys"], with_deleted=True)
    assert toy_names(everything) == ["a", "b"]
    async with scope.transaction():
        await service.makers.soft_delete([maker.id])
    [toy] = await service.toys.list({"name": "b"}, relations=["maker"])
    assert toy.maker is None


async def test_needs_one_more_statement_per_relation(service: ShopService, scope: Scope, maker: Maker) -> None:
    statements: list[str] = []

    def note(_connection: Engine, _cursor: object, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(scope.container.engine.sync_engine, "before_cursor_execute", note)
    await service.makers.list(relations=["toys", "toys.maker"])
    assert len(statements) == 3


async def test_refuses_an_unknown_relation_also_where_there_are_no_rows(service: ShopService) -> None:
    with pytest.raises(InvalidData, match="maker has no relation 'owner'"):
        await service.makers.list(relations=["owner"])
    with pytest.raises(InvalidData, match="toy has no relation 'owner'"):
        await service.makers.list(relations=["toys.owner"])
