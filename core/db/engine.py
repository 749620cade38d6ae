"""Connections: a pool whose sessions cannot hang longer than the lease allows."""

from typing import Any

from sqlalchemy import URL, Connection, Engine, event, make_url
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util.concurrency import in_greenlet

from ..config import Config
from ..errors import ConfigurationError

SERVER_WITH_TRANSACTION_TIMEOUT = 170000
AUTOCOMMIT = "holdfast_autocommit"
"""Execution option of a SQLAlchemy connection whose statements need no BEGIN, or have one already."""


def database_url(url: str) -> URL:
    """Return `url` (`postgres://` and `postgresql://` alike) for the psycopg driver; else `ConfigurationError`."""
    if not url:
        raise ConfigurationError("no database: set DATABASE_URL, or use `holdfast dev`, which brings its own")
    parsed = make_url(url)
    if parsed.get_backend_name() not in ("postgres", "postgresql"):
        raise ConfigurationError(f"{parsed.get_backend_name()} is not PostgreSQL")
    return parsed.set(drivername="postgresql+psycopg")


def create_engine(config: Config) -> AsyncEngine:
    """Return the pool of one process; it connects at first use."""
    limits = config.database
    engine = create_async_engine(
        database_url(limits.url),
        pool_size=limits.pool_size,
        max_overflow=limits.pool_overflow,
        pool_timeout=limits.pool_timeout_seconds,
        pool_reset_on_return=None,
        connect_args={
            "connect_timeout": limits.connect_timeout_seconds,
            "application_name": "holdfast",
            "options": "-c timezone=UTC",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            # Keepalives are for idle connections: what was sent and is never acknowledged hangs for a quarter hour.
            "tcp_user_timeout": 15000,
        },
    )
    pool = engine.sync_engine
    _limit_sessions(pool, session_settings(config))
    event.listen(pool, "begin", _begin)
    event.listen(pool, "do_connect", _refuse_outside_of_greenlets)
    event.listen(pool, "close", _refuse_outside_of_greenlets)
    return engine


def _limit_sessions(pool: Engine, settings: dict[str, int]) -> None:
    @event.listens_for(pool, "connect")
    def limit_session(connection: Any, _entry: ConnectionPoolEntry) -> None:
        # Who begins transactions by hand can let settings travel with BEGIN, and read without any.
        connection.autocommit = True
        version = connection.driver_connection.info.server_version
        wanted = {
            name: value
            for name, value in settings.items()
            if name != "transaction_timeout" or version >= SERVER_WITH_TRANSACTION_TIMEOUT
        }
        cursor = connection.cursor()
        cursor.execute(";".join(f"SET {name} = {value}" for name, value in wanted.items()))
        cursor.close()


def _begin(connection: Connection) -> None:
    """Send the BEGIN of `engine.begin()`, since in autocommit mode psycopg does not."""
    if not connection.get_execution_options().get(AUTOCOMMIT):
        connection.exec_driver_sql("BEGIN")


def _refuse_outside_of_greenlets(*_: object) -> None:
    """Tell who takes a connection without a greenlet that one has to be made or replaced, before anything is begun."""
    if not in_greenlet():
        raise MissingGreenlet("a connection has to be opened or closed")


def session_settings(config: Config) -> dict[str, int]:
    """Return the time-outs of a session in milliseconds, each at most three quarters of the lease.

    A stopped process then loses its transaction before another one takes its runs over.
    """
    ceiling = config.engine.lease_seconds * 0.75
    seconds = {
        "idle_in_transaction_session_timeout": 10.0,
        "statement_timeout": config.database.statement_timeout_seconds,
        "lock_timeout": config.database.lock_timeout_seconds,
        "transaction_timeout": 15.0,
    }
    return {name: int(min(value, ceiling) * 1000) for name, value in seconds.items()}
