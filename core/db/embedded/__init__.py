"""PostgreSQL and Valkey from Python packages: nothing to install by hand, nothing of the system touched."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from .errors import EmbeddedFailed, EmbeddedUnavailable
from .postgres import EmbeddedPostgres
from .server import free_port
from .valkey import EmbeddedValkey


class EmbeddedServers(msgspec.Struct, frozen=True, kw_only=True):
    """Where both servers are."""

    database_url: str
    redis_url: str


@contextmanager
def embedded_servers(data_dir: Path, *, fsync: bool = True) -> Generator[EmbeddedServers]:
    """PostgreSQL and Valkey on `data_dir` until the block ends."""
    with EmbeddedPostgres(data_dir, fsync=fsync) as database_url, EmbeddedValkey(data_dir) as redis_url:
        yield EmbeddedServers(database_url=database_url, redis_url=redis_url)


__all__ = [
    "EmbeddedFailed",
    "EmbeddedPostgres",
    "EmbeddedServers",
    "EmbeddedUnavailable",
    "EmbeddedValkey",
    "embedded_servers",
    "free_port",
]
