"""What the doctor finds out about a process: configuration, secrets, time zones, Redis."""

from typing import Any, Literal

import msgspec
import redis.asyncio
from redis.exceptions import RedisError

from ..app import Application
from ..clock import zone_names
from ..config import Config

SHORT_SECRET = 32
REDIS_TIMEOUT_SECONDS = 2


class Finding(msgspec.Struct, frozen=True):
    """What one examination found."""

    name: str
    level: Literal["ok", "warn", "fail"]
    detail: str


def modules(app: Application) -> Finding:
    """Which modules the shop is made of."""
    return Finding("configuration", "ok", f"modules: {', '.join(app.modules) or 'none'}")


def secrets(config: Config) -> Finding:
    """Whether tokens can be signed."""
    if not config.secrets:
        return Finding("secrets", "fail", "HOLDFAST_SECRET is not set")
    if len(config.secrets[0]) < SHORT_SECRET:
        return Finding("secrets", "warn", f"HOLDFAST_SECRET is shorter than {SHORT_SECRET} characters")
    return Finding("secrets", "ok", f"{len(config.secrets)} accepted, the first one signs")


def time_zones(config: Config) -> Finding:
    """Whether the shop's time zone is known."""
    zone = config.shop.timezone
    if zone not in zone_names():
        return Finding("time zones", "fail", f"shop.timezone {zone!r} is not a time zone of this machine")
    return Finding("time zones", "ok", f"{len(zone_names())} known, the shop's is {zone}")


async def redis_server(config: Config) -> Finding:
    """Whether Redis answers; without it background work is only delayed, so nothing fails."""
    if not config.redis_url:
        return Finding("redis", "warn", "REDIS_URL is not set: background work waits for the next sweep")
    limits = {"socket_connect_timeout": REDIS_TIMEOUT_SECONDS, "socket_timeout": REDIS_TIMEOUT_SECONDS}
    client: Any = redis.asyncio.from_url(config.redis_url, **limits)
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        return Finding("redis", "warn", f"does not answer: {error}")
    finally:
        await client.aclose()
    return Finding("redis", "ok", "answers")
