import pytest

from core.container import Scope
from core.errors import InvalidData

from .shop import CreateMaker, CreateToy, ShopService, UpdateToy


async def refusal(service: ShopService, scope: Scope, *data: CreateToy) -> InvalidData:
    with pytest.raises(InvalidData) as caught:
        async with scope.transaction():
            await service.toys.create(data)
    return caught.value


async def test_a_taken_value_names_the_columns_of_its_index(service: ShopService, scope: Scope) -> None:
    error = await refusal(service, scope, CreateToy(name="a", sku="1"), CreateToy(name="b", sku="1"))
    assert error.detail == "sku: another toy has it"
    assert error.data["errors"][0]["field"] == "sku"


async def test_a_taken_value_names_the_columns_of_its_constraint(service: ShopService, scope: Scope) -> None:
    async with scope.transaction():
        [maker] = await service.makers.create([CreateMaker(name="Lego")])
        first, second = await service.toys.create([CreateToy(name=name, maker_id=maker.id) for name in "ab"])
    with pytest.raises(InvalidData, match="name, maker_id: another toy has it"):
        async with scope.transaction():
            await service.toys.update([UpdateToy(id=second.id, name=first.name)])


async def test_restoring_a_row_whose_value_is_taken_by_now_is_refused(service: ShopService, scope: Scope) -> None:
    async with scope.transaction():
        [old] = await service.toys.create([CreateToy(sku="1")])
        await service.toys.soft_delete([old.id])
        await service.toys.create([CreateToy(sku="1")])
    with pytest.raises(InvalidData, match="sku: another toy has it"):
        async with scope.transaction():
            await service.toys.restore([old.id])


async def test_a_reference_to_nothing_names_its_column(service: ShopService, scope: Scope) -> None:
    error = await refusal(service, scope, CreateToy(maker_id="mkr_gone"))
    assert error.detail == "maker_id does not exist"


async def test_what_is_still_used_cannot_be_deleted(service: ShopService, scope: Scope) -> None:
    async with scope.transaction():
        [maker] = await service.makers.create([CreateMaker(name="Lego")])
        await service.toys.create([CreateToy(maker_id=maker.id)])
    with pytest.raises(InvalidData, match="maker is still used by toy"):
        async with scope.transaction():
            await service.makers.delete([maker.id])


async def test_a_broken_check_names_its_rule(service: ShopService, scope: Scope) -> None:
    error = await refusal(service, scope, CreateToy(price=-1))
    assert error.detail == "toy breaks the rule CK_toy_price"


async def test_a_value_that_must_be_given_is_named(service: ShopService, scope: Scope) -> None:
    error = await refusal(service, scope, CreateToy(price=None))  # pyright: ignore[reportArgumentType]
    assert error.detail == "price must be given"
