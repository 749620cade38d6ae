"""Customers: one record per address for guests and one for the account, whichever way it is spelled."""

import psycopg
import pytest

from core.container import Scope
from core.errors import InvalidData, NotFound, NoTransaction
from modules.customer import CreateCustomer, Customer, CustomerService, UpdateCustomer
from modules.customer.service import CustomerRepository


@pytest.fixture
def customers(scope: Scope) -> CustomerRepository:
    return scope.resolve(CustomerService).customers


async def create(scope: Scope, *data: CreateCustomer) -> list[Customer]:
    async with scope.transaction():
        return await scope.resolve(CustomerService).customers.create(data)


def field_of(error: InvalidData) -> str:
    return error.data["errors"][0]["field"]


async def test_a_customer_is_kept_as_given(scope: Scope, customers: CustomerRepository) -> None:
    given = CreateCustomer(email="ann@example.com", first_name="Ann", last_name="O'Neil", phone="+43 1 2345")
    [ann] = await create(scope, given)
    assert ann.id.startswith("cus_")
    assert (ann.email, ann.first_name, ann.last_name, ann.phone) == (
        "ann@example.com",
        "Ann",
        "O'Neil",
        "+43 1 2345",
    )
    assert not ann.has_account
    assert await customers.retrieve(ann.id) == ann


async def test_addresses_are_kept_in_lower_case(scope: Scope, customers: CustomerRepository) -> None:
    [ann] = await create(scope, CreateCustomer(email="Ann@Example.COM"))
    assert ann.email == "ann@example.com"
    async with scope.transaction():
        [ann] = await customers.update([UpdateCustomer(id=ann.id, email="ANN@example.org")])
    assert await customers.list({"email": "ann@example.org"}) == [ann]


async def test_a_guest_and_an_account_may_share_an_address_but_not_two_of_a_kind(scope: Scope) -> None:
    await create(
        scope, CreateCustomer(email="ann@example.com"), CreateCustomer(email="ann@example.com", has_account=True)
    )
    for has_account in (False, True):
        with pytest.raises(InvalidData, match="email, has_account: another customer has it"):
            await create(scope, CreateCustomer(email="ANN@example.com", has_account=has_account))


async def test_an_address_is_free_again_once_its_customer_is_deleted(
    scope: Scope, customers: CustomerRepository
) -> None:
    [old] = await create(scope, CreateCustomer(email="ann@example.com"))
    async with scope.transaction():
        await customers.soft_delete([old.id])
    [new] = await create(scope, CreateCustomer(email="ann@example.com"))
    assert await customers.list() == [new]
    with pytest.raises(InvalidData):
        async with scope.transaction():
            await customers.restore([old.id])


async def test_guests_without_an_address_do_not_stand_in_each_others_way(scope: Scope) -> None:
    first, second = await create(scope, CreateCustomer(phone="1"), CreateCustomer(phone="1"))
    assert (first.email, second.email) == (None, None)


@pytest.mark.parametrize("email", ["", "ann", "ann@", "@example.com", "a b@c.d", "a@b@c", "a@b\n", "a" * 251 + "@b.c"])
async def test_what_cannot_be_an_address_is_refused(scope: Scope, email: str) -> None:
    with pytest.raises(InvalidData) as caught:
        await create(scope, CreateCustomer(email=email))
    assert field_of(caught.value) == "email"


async def test_an_account_cannot_be_without_an_address(scope: Scope, customers: CustomerRepository) -> None:
    with pytest.raises(InvalidData) as caught:
        await create(scope, CreateCustomer(has_account=True))
    assert field_of(caught.value) == "email"
    [ann] = await create(scope, CreateCustomer(email="ann@example.com", has_account=True))
    with pytest.raises(InvalidData) as caught:
        async with scope.transaction():
            await customers.update([UpdateCustomer(id=ann.id, email=None)])
    assert field_of(caught.value) == "email"
    assert await customers.retrieve(ann.id) == ann


async def test_an_account_cannot_be_without_an_address_in_sql_either(scope: Scope) -> None:
    await create(scope, CreateCustomer(email="ann@example.com", has_account=True))
    with pytest.raises(psycopg.errors.CheckViolation):
        async with scope.transaction() as transaction:
            await transaction.sql("UPDATE customer SET email = NULL")


@pytest.mark.parametrize(
    ("field", "data"),
    [
        ("first_name", CreateCustomer(first_name="\0")),
        ("phone", CreateCustomer(phone="\ud800")),
        ("email", CreateCustomer(email=5)),  # pyright: ignore[reportArgumentType]
        ("metadata", CreateCustomer(metadata={"a": float("nan")})),
    ],
)
async def test_values_that_postgresql_cannot_store_are_refused(scope: Scope, field: str, data: CreateCustomer) -> None:
    with pytest.raises(InvalidData) as caught:
        await create(scope, data)
    assert field_of(caught.value) == field


async def test_writes_need_a_transaction_and_a_customer(scope: Scope, customers: CustomerRepository) -> None:
    with pytest.raises(NoTransaction):
        await customers.create([CreateCustomer()])
    with pytest.raises(NotFound):
        async with scope.transaction():
            await customers.update([UpdateCustomer(id="cus_unknown", first_name="Ann")])


async def test_customers_are_searched_by_name_address_and_phone(scope: Scope, customers: CustomerRepository) -> None:
    ann, bob = await create(
        scope,
        CreateCustomer(email="ann@example.com", first_name="Ann", phone="0123"),
        CreateCustomer(email="bob@example.com", last_name="Builder"),
    )
    for q, found in (("ANN", [ann]), ("uild", [bob]), ("012", [ann]), ("@example", [ann, bob]), ("%", [])):
        assert await customers.list(q=q, order={"email": "asc"}) == found
