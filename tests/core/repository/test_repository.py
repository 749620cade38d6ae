from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from core.container import Scope
from core.errors import ConfigurationError, InvalidData, NotFound, NoTransaction
from core.module import Entity

from .shop import TOY, CreateMaker, CreateToy, ShopService, Size, Toy, ToyTable, UpdateToy


@pytest.fixture
def statements(scope: Scope) -> list[str]:
    """The statements that reach the database."""
    seen: list[str] = []

    def note(_connection: Engine, _cursor: object, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(scope.container.engine.sync_engine, "before_cursor_execute", note)
    return seen


async def test_creates_rows_in_the_order_given(service: ShopService, scope: Scope) -> None:
    async with scope.transaction():
        made = await service.toys.create([CreateToy(name=f"toy {number}") for number in range(50)])
    assert [toy.name for toy in made] == [f"toy {number}" for number in range(50)]
    assert await service.toys.list(order={"created_at": "asc"}) == sorted(made, key=lambda toy: toy.id)


async def test_creates_many_rows_in_one_statement(service: ShopService, scope: Scope, statements: list[str]) -> None:
    async with scope.transaction():
        await service.toys.create([CreateToy(name=f"toy {number}") for number in range(50)])
    assert sum(statement.startswith("INSERT") for statement in statements) == 1


async def test_stamps_new_rows_by_the_clock_and_names_their_kind(service: ShopService, scope: Scope) -> None:
    scope.clock.set_offset(timedelta(days=400))
    async with scope.transaction():
        [toy] = await service.toys.create([CreateToy()])
    assert toy.id.startswith("toy_")
    assert toy.created_at == toy.updated_at
    assert toy.created_at - datetime.now(UTC) > timedelta(days=399)
    assert toy.created_at.tzinfo is UTC
    assert toy.deleted_at is None


async def test_leaves_unset_fields_to_the_column_defaults_row_by_row(service: ShopService, scope: Scope) -> None:
    async with scope.transaction():
        rows = [CreateToy(name="a"), CreateToy(name="b", size=Size.LARGE, stock=1), CreateToy(name="c")]
        made = await service.toys.create(rows)
    assert [(toy.name, toy.size, toy.stock, toy.is_sold) for toy in made] == [
        ("a", Size.SMALL, 7, False),
        ("b", Size.LARGE, 1, False),
        ("c", Size.SMALL, 7, False),
    ]


async def test_gives_back_every_kind_of_value(service: ShopService, scope: Scope) -> None:
    released = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    data = CreateToy(
        size=Size.LARGE,
        weight=2**40,
        released_at=released,
        tags=["soft", "brown"],
        colours=["red"],
        metadata={"nested": {"list": [1, 2.5, None, "é"]}},
    )
    async with scope.transaction():
        [made] = await service.toys.create([data])
    toy = await service.toys.retrieve(made.id)
    assert toy == made
    assert isinstance(toy.size, Size)
    assert (toy.weight, toy.released_at, toy.tags, toy.colours) == (2**40, released, ["soft", "brown"], ["red"])
    assert toy.metadata == {"nested": {"list": [1, 2.5, None, "é"]}}


async def test_writes_none_as_null_into_json(service: ShopService, scope: Scope) -> None:
    async with scope.transaction():
        [made, _] = await service.toys.create([CreateToy(name="a", tags=None), CreateToy(name="b", tags=[])])
        assert await service.toys.list({"tags": None}) == [made]
        await service.toys.update([UpdateToy(id=made.id, tags=["x"])])
        await service.toys.update([UpdateToy(id=made.id, tags=None)])
        assert [toy.name for toy in await service.toys.list({"tags": None})] == ["a"]


async def test_changes_only_the_fields_that_are_set(service: ShopService, scope: Scope) -> None:
    async with scope.transaction():
        [made] = await service.toys.create([CreateToy(name="Bear", sku="B1", price=500)])
        scope.clock.set_offset(timedelta(hours=1))
        [changed] = await service.toys.update([UpdateToy(id=made.id, sku=None, size=Size.LARGE)])
    assert (changed.name, changed.sku, changed.price, changed.size) == ("Bear", None, 500, Size.LARGE)
    assert changed.created_at == made.created_at
    assert changed.updated_at - made.updated_at >= timedelta(hours=1)
    assert await service.toys.retrieve(made.id) == changed


async def test_returns_updates_in_the_order_given(service: ShopService, scope: Scope) -> None:
    async with scope.transaction():
        first, second = await service.toys.create([CreateToy(name="a"), CreateToy(name="b")])
        changed = await service.toys.update([UpdateToy(id=second.id, price=2), UpdateToy(id=first.id, name="z")])
    assert [(toy.id, toy.name, toy.price) for toy in changed] == [(second.id, "b", 2), (first.id, "z", 100)]


async def test_updates_of_the_same_rows_lock_them_in_one_order(service: ShopService, scope: Scope) -> None:
    async with scope.transaction():
        made = await service.toys.create([CreateToy(name=str(number)) for number in range(20)])
    locked: list[str] = []

    def note(_connection: object, _cursor: object, _statement: str, parameters: Any, *_: object) -> None:
        locked.extend(value for value in parameters.values() if str(value).startswith("toy_"))

    event.listen(scope.container.engine.sync_engine, "before_cursor_execute", note)
    async with scope.transaction():
        await service.toys.update([UpdateToy(id=toy.id, price=1) for toy in reversed(made)])
    assert locked == sorted(toy.id for toy in made)


async def test_writing_nothing_does_nothing(service: ShopService, scope: Scope, statements: list[str]) -> None:
    async with scope.transaction():
        assert await service.toys.create([]) == []
        assert await service.toys.update([]) == []
        assert await service.toys.upsert([]) == []
        await service.toys.delete([])
        await service.toys.soft_delete([])
        await service.toys.restore([])
    assert statements == []


async def test_upserts_new_rows_and_changes_in_the_order_given(service: ShopService, scope: Scope) -> None:
    async with scope.transaction():
        [old] = await service.toys.create([CreateToy(name="old")])
        rows = [CreateToy(name="a"), UpdateToy(id=old.id, price=1), CreateToy(name="b")]
        upserted = await service.toys.upsert(rows)
    assert [(toy.name, toy.price) for toy in upserted] == [("a", 100), ("old", 1), ("b", 100)]
    assert len(await service.toys.list()) == 3


async def test_a_missing_id_is_not_found_by_any_write(service: ShopService, scope: Scope) -> None:
    async with scope.transaction():
        with pytest.raises(NotFound, match="no toy toy_gone"):
            await service.toys.update([UpdateToy(id="toy_gone", name="x")])
        for write in (service.toys.delete, service.toys.soft_delete, service.toys.restore):
            [toy] = await service.toys.create([CreateToy()])
            with pytest.raises(NotFound, match="no toy toy_gone") as caught:
                await write([toy.id, "toy_gone"])
            assert caught.value.data == {"entity": "toy", "ids": ["toy_gone"]}


async def test_refuses_one_id_twice_in_an_update(service: ShopService, scope: Scope) -> None:
    async with scope.transaction():
        [toy] = await service.toys.create([CreateToy()])
        with pytest.raises(InvalidData, match="twice"):
            await service.toys.update([UpdateToy(id=toy.id, name="x"), UpdateToy(id=toy.id, price=1)])


async def test_soft_deleted_rows_hide_until_restored(service: ShopService, scope: Scope) -> None:
    async with scope.transaction():
        [toy, other] = await service.toys.create([CreateToy(name="a"), CreateToy(name="b")])
        await service.toys.soft_delete([toy.id])
        assert await service.toys.list_and_count() == ([other], 1)
        with pytest.raises(NotFound):
            await service.toys.retrieve(toy.id)
        with pytest.raises(NotFound):
            await service.toys.update([UpdateToy(id=toy.id, name="x")])
        hidden = await service.toys.retrieve(toy.id, with_deleted=True)
        assert hidden.deleted_at is not None
        assert len(await service.toys.list(with_deleted=True)) == 2
        await service.toys.restore([toy.id])
        assert (await service.toys.retrieve(toy.id)).deleted_at is None


async def test_soft_deleting_again_keeps_the_first_time(service: ShopService, scope: Scope) -> None:
    async with scope.transaction():
        [toy] = await service.toys.create([CreateToy()])
        await service.toys.soft_delete([toy.id])
        once = await service.toys.retrieve(toy.id, with_deleted=True)
        scope.clock.set_offset(timedelta(hours=1))
        await service.toys.soft_delete([toy.id])
        assert await service.toys.retrieve(toy.id, with_deleted=True) == once


async def test_restoring_a_live_row_leaves_it_as_it_is(service: ShopService, scope: Scope) -> None:
    async with scope.transaction():
        [toy] = await service.toys.create([CreateToy()])
        scope.clock.set_offset(timedelta(hours=1))
        await service.toys.restore([toy.id])
        assert await service.toys.retrieve(toy.id) == toy


async def test_deletes_for_good_also_what_was_soft_deleted(service: ShopService, scope: Scope) -> None:
    async with scope.transaction():
        first, second = await service.toys.create([CreateToy(name="a"), CreateToy(name="b")])
        await service.toys.soft_delete([first.id])
        await service.toys.delete([first.id, second.id])
        assert await service.toys.list(with_deleted=True) == []


async def test_a_write_outside_a_transaction_names_its_method(service: ShopService) -> None:
    with pytest.raises(NoTransaction, match=r"toy\.create"):
        await service.toys.create([CreateToy()])
    with pytest.raises(NoTransaction, match=r"toy\.update"):
        await service.toys.update([UpdateToy(id="toy_x")])
    with pytest.raises(NoTransaction, match=r"toy\.soft_delete"):
        await service.toys.soft_delete([])


async def test_a_failed_block_leaves_nothing_behind(service: ShopService, scope: Scope) -> None:
    async def block() -> None:
        async with scope.transaction():
            await service.makers.create([CreateMaker(name="Steiff")])
            await service.makers.delete(["mkr_gone"])

    with pytest.raises(NotFound):
        await block()
    assert await service.makers.list() == []


async def test_refuses_values_that_the_columns_cannot_hold(service: ShopService, scope: Scope) -> None:
    wrong: list[tuple[CreateToy, str]] = [
        (CreateToy(name="a\0b"), "name"),
        (CreateToy(name="\ud800"), "name"),
        (CreateToy(metadata={"deep": [{"\0": 1}]}), "metadata"),
        (CreateToy(metadata={"half": float("nan")}), "metadata"),
        (CreateToy(price=2**31), "price"),
        (CreateToy(weight=2**63), "weight"),
        (CreateToy(released_at=datetime(2026, 1, 1)), "released_at"),
        (CreateToy(name=5), "name"),  # pyright: ignore[reportArgumentType]
    ]
    async with scope.transaction():
        for data, field in wrong:
            with pytest.raises(InvalidData, match=field) as caught:
                await service.toys.create([data])
            assert caught.value.data["errors"][0]["field"] == field
        assert await service.toys.list() == []


def test_refuses_a_struct_with_fields_that_are_no_columns() -> None:
    entity = Entity("toy", table=ToyTable, struct=Toy, create=Toy, update=UpdateToy, id_prefix="toy")
    with pytest.raises(ConfigurationError, match="maker"):
        entity.repository()


async def test_needs_a_service_of_a_scope() -> None:
    with pytest.raises(ConfigurationError, match="toy repository"):
        await TOY.repository().list()
