import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from core.clock import Clock
from core.config import Config
from core.container import Container, Scope
from core.errors import ConfigurationError


class Shelf:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope


class Shop:
    def __init__(self, scope: Scope) -> None:
        self.shelf = scope.resolve(Shelf)


class GlassShelf(Shelf):
    pass


@pytest.fixture
def engine() -> AsyncEngine:
    """An engine that never connects."""
    return create_async_engine("postgresql+psycopg://127.0.0.1:1/none")


@pytest.fixture
def container(engine: AsyncEngine) -> Container:
    container = Container(Config(), engine, Clock())
    container.register(Shelf, Shelf)
    container.register(Shop, Shop)
    return container


async def test_makes_one_instance_per_scope_when_it_is_first_wanted(container: Container) -> None:
    async with container.scope() as scope, container.scope() as other:
        shop = scope.resolve(Shop)
        assert scope.resolve(Shop) is shop
        assert scope.resolve(Shelf) is shop.shelf
        assert shop.shelf.scope is scope
        assert other.resolve(Shop) is not shop


async def test_making_is_lazy(container: Container) -> None:
    made: list[Scope] = []
    container.override(Shelf, lambda scope: made.append(scope) or Shelf(scope))
    async with container.scope() as scope:
        assert made == []
        scope.resolve(Shop)
        assert made == [scope]


async def test_an_override_is_what_others_get(container: Container) -> None:
    container.override(Shelf, GlassShelf)
    async with container.scope() as scope:
        assert isinstance(scope.resolve(Shop).shelf, GlassShelf)


async def test_refuses_unknown_keys_and_double_registration(container: Container) -> None:
    with pytest.raises(ConfigurationError, match="Shelf is registered twice"):
        container.register(Shelf, Shelf)
    async with container.scope() as scope:
        with pytest.raises(ConfigurationError, match="nothing registered for GlassShelf"):
            scope.resolve(GlassShelf)


async def test_cleans_up_in_reverse_order_also_after_one_that_fails(container: Container) -> None:
    cleaned: list[str] = []

    async def clean(instance: object) -> None:
        cleaned.append(type(instance).__name__)
        if isinstance(instance, Scope):
            raise OSError("broken")

    container.register(str, lambda _scope: "name", clean_up=clean)
    container.register(Scope, lambda scope: scope, clean_up=clean)
    container.register(list, lambda _scope: [], clean_up=clean)

    async def use() -> None:
        async with container.scope() as scope:
            for key in (str, Scope, list):
                scope.resolve(key)

    with pytest.raises(OSError, match="broken"):
        await use()
    assert cleaned == ["list", "Scope", "str"]


async def test_what_was_not_made_is_not_cleaned_up(container: Container) -> None:
    cleaned: list[object] = []

    async def clean(instance: object) -> None:
        cleaned.append(instance)

    container.register(str, lambda _scope: "name", clean_up=clean)
    async with container.scope():
        pass
    assert cleaned == []


async def test_a_scope_knows_who_asks(container: Container) -> None:
    async with container.scope(context={"actor": "cus_1"}) as scope, container.scope() as other:
        assert (dict(scope.context), dict(other.context)) == ({"actor": "cus_1"}, {})
        assert (scope.clock, scope.config) == (container.clock, container.config)
