"""Whether a process lives and can serve."""

from typing import Any

import httpx
import msgspec
import pytest

from core.app import Application
from core.testing import application_on
from modules.booking import booking

from .conftest import AWAY, client_of


async def ready(application: Application) -> httpx.Response:
    async with client_of(application) as client:
        return await client.get("/ready")


def redis_at(application: Application, url: str) -> Application:
    application.config = msgspec.structs.replace(application.config, redis_url=url)
    return application


async def test_is_ready_on_a_migrated_database(application: Application) -> None:
    answer = await ready(application)
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")


async def test_is_not_ready_without_a_migration(empty_database_url: str) -> None:
    application = application_on(empty_database_url, modules=[booking])
    answer = await ready(application)
    await application.database.dispose()
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert "booking_0001" in answer.json()["detail"]


async def test_is_not_ready_without_the_database() -> None:
    answer = await ready(application_on(AWAY, modules=[booking]))
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "retry-after" in answer.headers


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0"])
async def test_is_degraded_without_redis(application: Application, url: str) -> None:
    answer = await ready(redis_at(application, url))
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["status"], body["redis"]) == (200, "degraded", "degraded")


async def test_lives_without_anything() -> None:
    async with client_of(application_on(AWAY, modules=[booking])) as client:
        assert (await client.get("/health")).json() == {"status": "ok"}
