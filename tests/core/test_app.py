"""Opening and closing an application."""

import pytest

from core import Application, Config, ConfigurationError, Module, Scope
from core.config import Database
from core.testing import application_on
from tests.core.repository.shop import MAKER, TOY, ShopService

ACTS: list[str] = []


async def start(scope: Scope) -> None:
    ACTS.append("start")


async def fail_to_stop(scope: Scope) -> None:
    ACTS.append("stop")
    raise RuntimeError("will not stop")


async def test_closes_the_rest_when_a_module_fails_to_stop(core_database_url: str) -> None:
    ACTS.clear()
    shop = Module("shop", service=ShopService, entities=[MAKER, TOY], on_start=start, on_stop=fail_to_stop)
    app = application_on(core_database_url, modules=[shop])
    await app.open()
    async with app.scope() as scope:
        assert await scope.session.sql("SELECT id FROM workflow_process") == [(app.heartbeat.process_id,)]
    with pytest.raises(RuntimeError, match="will not stop"):
        await app.close()
    assert ACTS == ["start", "stop"]
    other = application_on(core_database_url)
    async with other.scope() as scope:
        assert await scope.session.sql("SELECT id FROM workflow_process") == []
    await other.database.dispose()


def test_two_modules_with_one_name_do_not_start(core_database_url: str) -> None:
    shop = Module("shop", service=ShopService, entities=[MAKER, TOY])
    with pytest.raises(ConfigurationError, match="same name"):
        application_on(core_database_url, modules=[shop, shop])


def test_a_plugin_that_is_not_installed_stops_the_start() -> None:
    config = Config(plugins=["umbrellas"], database=Database(url="postgresql:///none"))
    with pytest.raises(ConfigurationError, match="'umbrellas' is not installed"):
        Application.load(config)
