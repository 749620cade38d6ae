"""What a failed statement means: by SQLSTATE, whether SQLAlchemy or psycopg raised it."""

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..errors import Busy, HoldfastError

SERIALIZATION = frozenset({"40001", "40P01"})
"""serialization_failure and deadlock_detected: the same transaction, run again, may well succeed."""

UNIQUE_VIOLATION = "23505"

LIMITS = {
    "55P03": "a lock was not to be had in time",
    "57014": "a statement ran into its time limit",
    "25P03": "a transaction sat idle beyond its time limit",
    "25P04": "a transaction ran into its time limit",
    "53300": "the database has no connection left",
    "42P01": "the database is not migrated: run `holdfast migrate`",
}


def driver_error(error: BaseException) -> psycopg.Error | None:
    """Return the psycopg error in or under `error`, if there is one."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    return origin if isinstance(origin, psycopg.Error) else None


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE that the server gave for `error`, if it gave one."""
    origin = driver_error(error)
    return origin.sqlstate if origin else None


def connection_lost(error: BaseException) -> bool:
    """Tell whether the connection is gone, so that nobody knows what became of a COMMIT."""
    origin = driver_error(error)
    if not isinstance(origin, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    state = origin.sqlstate
    # Without a SQLSTATE the server could say nothing more. 57P is an administrator's or a crash's doing, and these two
    # time limits close the connection.
    return state is None or state.startswith(("08", "57P")) or state in ("25P03", "25P04")


def as_busy(error: BaseException) -> HoldfastError | None:
    """Return `Busy` for a lock time-out, an exhausted pool or a database that is away; else None."""
    if got_no_connection(error):
        return Busy("no database connection was free in time")
    state = sqlstate(error)
    if state in LIMITS:
        return Busy(LIMITS[state])
    return Busy("the database is away") if connection_lost(error) else None


def got_no_connection(error: BaseException) -> bool:
    """Tell whether all connections of the pool were in use for as long as one may wait."""
    return isinstance(error, PoolTimeout)


def is_transient(error: BaseException) -> bool:
    """Tell whether the same transaction, run again at once, may well succeed."""
    return sqlstate(error) in SERIALIZATION
