"""Whether this process lives, and whether it can serve."""

import asyncio
from typing import Any, Literal

import redis.asyncio
from litestar import get
from litestar.di import NamedDependency
from msgspec import Struct
from redis.exceptions import RedisError

from core.app import Application
from core.db.migrate import pending
from core.errors import Busy

from .openapi import refusals

REDIS_TIMEOUT_SECONDS = 1
DATABASE_TIMEOUT_SECONDS = 3


class Health(Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(Struct, frozen=True, kw_only=True):
    """The process can serve. Without Redis background work is only delayed, which is no reason to take it out."""

    status: Literal["ready", "degraded"]
    redis: Literal["ok", "degraded", "not_configured"]
    database: Literal["ok"] = "ok"
    migrations: Literal["ok"] = "ok"


@get("/health", tags=["health"], summary="Whether the process lives", responses=refusals(), sync_to_thread=False)
def health() -> Health:
    """Answer without asking anybody else."""
    return Health()


@get("/ready", tags=["health"], summary="Whether the process can serve", responses=refusals(Busy))
async def ready(application: NamedDependency[Application]) -> Readiness:
    """503 while PostgreSQL is away or lacks a migration that this process needs; Redis is only reported."""
    try:
        async with asyncio.timeout(DATABASE_TIMEOUT_SECONDS):
            missing = await pending(application)
    except TimeoutError:
        raise Busy("the database does not answer in time") from None
    if missing:
        raise Busy(f"the database lacks {', '.join(missing)}: run `holdfast migrate`")
    url = application.config.redis_url
    if not url:
        return Readiness(status="ready", redis="not_configured")
    if await _answers(url):
        return Readiness(status="ready", redis="ok")
    return Readiness(status="degraded", redis="degraded")


async def _answers(url: str) -> bool:
    client: Any = redis.asyncio.from_url(
        url, socket_connect_timeout=REDIS_TIMEOUT_SECONDS, socket_timeout=REDIS_TIMEOUT_SECONDS
    )
    try:
        await client.ping()
    except (RedisError, OSError):
        return False
    else:
        return True
    finally:
        await client.aclose()
