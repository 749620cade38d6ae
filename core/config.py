"""Configuration: `holdfast.toml`, then the environment on top; nobody else reads either."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from .errors import ConfigurationError

FILE = "holdfast.toml"
BEATS_PER_LEASE = 3
"""A process that misses a beat or two is not dead."""

Seconds = Annotated[float, Meta(gt=0, le=86400 * 365)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]


class Shop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the shop promises its customers."""

    name: str = "Holdfast"
    timezone: str = "UTC"
    hold_seconds: Seconds = 600


class Database(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of the PostgreSQL connections of one process."""

    url: str = ""
    pool_size: Positive = 20
    pool_overflow: Annotated[int, Meta(ge=0)] = 0
    """Connections beyond the pool are closed as soon as they come back: no substitute for a larger pool."""
    pool_timeout_seconds: Seconds = 5
    statement_timeout_seconds: Seconds = 10
    lock_timeout_seconds: Seconds = 5
    connect_timeout_seconds: Positive = 5


class Engine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The workflow engine's clockwork."""

    beat_seconds: Seconds = 5
    lease_seconds: Seconds = 20
    grace_seconds: Annotated[float, Meta(ge=0)] = 20
    queued_seconds: Annotated[float, Meta(ge=0)] = 5
    """After how long a worker takes up a queued run of which no hint has told it."""
    stuck_seconds: Annotated[float, Meta(ge=0)] = 60
    """After how long an API or worker process whose event loop stands still is ended; 0 for never."""
    undo_attempts: Positive = 20
    """How often a failing compensation is tried before the run ends as `compensation_failed`."""
    undo_pause_seconds: Seconds = 1
    """Before the second attempt; doubling up to five minutes."""
    poison_deaths: Positive = 10
    """How many processes may die with a run, its journal not growing, before it is parked."""


class Http(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the API listens and what it accepts."""

    host: str = "127.0.0.1"
    port: Port = 9000
    workers: Positive = 1
    metrics: Literal["loopback", "everyone", "nobody"] = "loopback"
    """Who may read `/metrics`: those on the same machine who do not come through a proxy, unless said otherwise."""


class Jobs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How work reaches the workers."""

    dispatcher: str = ""
    """`module:class` of what tells workers of queued runs; without one every process takes them up by itself."""
    queue: str = "runs"
    """The queue that hints go to, and that workers listen to unless they are told otherwise."""
    processes: Positive = 1
    threads: Positive = 16
    """Hints that one process follows at once."""
    port: Port | None = None
    """Where workers answer `/health` and `/metrics`, on the address `http.host`."""


SECTIONS: dict[str, type[msgspec.Struct]] = {
    "shop": Shop,
    "database": Database,
    "engine": Engine,
    "http": Http,
    "jobs": Jobs,
}


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set; secrets come from the environment only.

    `secrets`: the first one signs, all of them are accepted.
    """

    modules: list[str] = []
    plugins: list[str] = []
    shop: Shop = Shop()
    database: Database = Database()
    engine: Engine = Engine()
    http: Http = Http()
    jobs: Jobs = Jobs()
    redis_url: str = ""
    secrets: list[str] = []

    @classmethod
    def load(cls, path: Path | None = None, environ: Mapping[str, str] = os.environ) -> "Config":
        """Read `path` (default `holdfast.toml` here), then let the environment override it.

        `DATABASE_URL`, `REDIS_URL`, `HOLDFAST_SECRET`, `HOLDFAST_OLD_SECRETS` (comma separated), and
        `HOLDFAST_<SECTION>_<FIELD>` for every field of a section. Raises `ConfigurationError`.
        """
        values = _read_file(path or Path(FILE))
        _overlay(values, environ)
        try:
            config = msgspec.convert(values, cls, strict=False)
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"configuration: {error}") from error
        if config.engine.lease_seconds < BEATS_PER_LEASE * config.engine.beat_seconds:
            raise ConfigurationError(f"configuration: engine.lease_seconds: at least {BEATS_PER_LEASE} x beat_seconds")
        return config


def _read_file(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise ConfigurationError(f"{path} not found: run this in the project's root folder")
    try:
        return msgspec.toml.decode(path.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _overlay(values: dict[str, Any], environ: Mapping[str, str]) -> None:
    for section, kind in SECTIONS.items():
        for field in kind.__struct_fields__:
            if value := environ.get(f"HOLDFAST_{section}_{field}".upper()):
                values.setdefault(section, {})[field] = value
    if url := environ.get("DATABASE_URL"):
        values.setdefault("database", {})["url"] = url
    if url := environ.get("REDIS_URL"):
        values["redis_url"] = url
    present, old = environ.get("HOLDFAST_SECRET", ""), environ.get("HOLDFAST_OLD_SECRETS", "").split(",")
    # The first one signs, which an old one must not do.
    values["secrets"] = [present, *filter(None, map(str.strip, old))] if present else []
