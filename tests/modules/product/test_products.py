"""Products: a handle that can stand in an address, shared by no two live ones."""

import pytest

from core.container import Scope
from core.errors import InvalidData, NoTransaction
from modules.product import CreateProduct, Product, ProductService, ProductStatus, UpdateProduct
from modules.product.service import LONGEST_HANDLE, ProductRepository, handle_of


@pytest.fixture
def products(scope: Scope) -> ProductRepository:
    return scope.resolve(ProductService).products


async def create(scope: Scope, *data: CreateProduct) -> list[Product]:
    async with scope.transaction():
        return await scope.resolve(ProductService).products.create(data)


def field_of(error: InvalidData) -> str:
    return error.data["errors"][0]["field"]


async def test_a_product_is_a_draft_until_it_is_published(scope: Scope, products: ProductRepository) -> None:
    [oil] = await create(scope, CreateProduct(title="Beard oil", description="Cedar."))
    assert oil.id.startswith("prod_")
    assert (oil.title, oil.handle, oil.status, oil.description) == (
        "Beard oil",
        "beard-oil",
        ProductStatus.DRAFT,
        "Cedar.",
    )
    async with scope.transaction():
        [oil] = await products.update([UpdateProduct(id=oil.id, status=ProductStatus.PUBLISHED)])
    assert await products.list({"status": "published"}) == [oil]


@pytest.mark.parametrize(
    ("title", "handle"),
    [
        ("Beard oil", "beard-oil"),
        ("  Crème für Bärte! ", "creme-fur-barte"),
        ("50 % off -- today", "50-off-today"),
        ("Ⅳ", "iv"),
        ("a" * 300, "a" * LONGEST_HANDLE),
        ("a" * (LONGEST_HANDLE - 1) + " b", "a" * (LONGEST_HANDLE - 1)),
    ],
)
async def test_a_handle_is_made_from_the_title(scope: Scope, title: str, handle: str) -> None:
    assert handle_of(title) == handle
    [product] = await create(scope, CreateProduct(title=title))
    assert product.handle == handle


async def test_a_handle_stays_when_the_title_changes(scope: Scope, products: ProductRepository) -> None:
    [oil] = await create(scope, CreateProduct(title="Beard oil"))
    async with scope.transaction():
        [oil] = await products.update([UpdateProduct(id=oil.id, title="Oil for beards")])
    assert oil.handle == "beard-oil"


@pytest.mark.parametrize("handle", ["", "Beard", "beard oil", "-oil", "oil-", "a--b", "öl", "oil\n", "a/b", "a" * 201])
async def test_what_cannot_stand_in_an_address_is_no_handle(
    scope: Scope, products: ProductRepository, handle: str
) -> None:
    with pytest.raises(InvalidData) as caught:
        await create(scope, CreateProduct(title="Oil", handle=handle))
    assert field_of(caught.value) == "handle"
    [oil] = await create(scope, CreateProduct(title="Oil"))
    with pytest.raises(InvalidData) as caught:
        async with scope.transaction():
            await products.update([UpdateProduct(id=oil.id, handle=handle)])
    assert field_of(caught.value) == "handle"


@pytest.mark.parametrize(
    ("field", "data"),
    [
        ("title", CreateProduct(title=" ", handle="x")),
        ("title", CreateProduct(title="\0")),
        ("title", CreateProduct(title=5)),  # pyright: ignore[reportArgumentType]
        ("handle", CreateProduct(title="日本")),
        ("status", CreateProduct(title="x", status="sold")),  # pyright: ignore[reportArgumentType]
    ],
)
async def test_a_product_must_make_sense_as_a_whole(scope: Scope, field: str, data: CreateProduct) -> None:
    with pytest.raises(InvalidData) as caught:
        await create(scope, data)
    assert field_of(caught.value) == field


async def test_no_two_live_products_share_a_handle(scope: Scope, products: ProductRepository) -> None:
    [old] = await create(scope, CreateProduct(title="Oil"))
    with pytest.raises(InvalidData, match="handle: another product has it"):
        await create(scope, CreateProduct(title="OIL"))
    async with scope.transaction():
        await products.soft_delete([old.id])
    [new] = await create(scope, CreateProduct(title="OIL"))
    assert new.handle == old.handle


async def test_writes_need_a_transaction(products: ProductRepository) -> None:
    with pytest.raises(NoTransaction):
        await products.create([CreateProduct(title="Oil")])


async def test_products_are_searched_by_title_and_handle(scope: Scope, products: ProductRepository) -> None:
    oil, wax = await create(scope, CreateProduct(title="Beard oil"), CreateProduct(title="Wax", handle="moustache"))
    assert await products.list(q="BEARD") == [oil]
    assert await products.list(q="moust") == [wax]
