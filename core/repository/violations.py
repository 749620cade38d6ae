"""Violations: what PostgreSQL refuses to store, told as `InvalidData`."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors
from sqlalchemy import Index, Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import ColumnCollectionConstraint

from ..db.failure import driver_error
from ..errors import InvalidData


@contextmanager
def as_invalid_data(entity: str, table: Table[Any]) -> Generator[None]:
    """Turn a broken constraint or a value that does not fit into `InvalidData` that names the columns."""
    try:
        yield
    except DBAPIError as error:
        cause = driver_error(error)
        if isinstance(cause, psycopg.DataError | psycopg.IntegrityError):
            raise _told(cause, entity, table) from error
        raise


def _told(error: psycopg.Error, entity: str, table: Table[Any]) -> InvalidData:
    constraint = error.diag.constraint_name or ""
    columns = ", ".join(_columns(table, constraint)) or constraint
    match error:
        case errors.UniqueViolation() | errors.ExclusionViolation():
            return InvalidData(f"{columns}: another {entity} has it", field=columns, constraint=constraint)
        case errors.ForeignKeyViolation() if error.diag.table_name != table.name:
            return InvalidData(f"{entity} is still used by {error.diag.table_name}", constraint=constraint)
        case errors.ForeignKeyViolation():
            return InvalidData(f"{columns} does not exist", field=columns, constraint=constraint)
        case errors.NotNullViolation():
            column = error.diag.column_name or ""
            return InvalidData(f"{column} must be given", field=column)
        case errors.CheckViolation():
            return InvalidData(f"{entity} breaks the rule {constraint}", constraint=constraint)
        case _:
            return InvalidData(f"{entity}: {error.diag.message_primary}")


def _columns(table: Table[Any], name: str) -> list[str]:
    """Return the columns of the constraint or index of that name."""
    keys = [constraint for constraint in table.constraints if isinstance(constraint, ColumnCollectionConstraint)]
    sources: list[ColumnCollectionConstraint | Index] = [*keys, *table.indexes]
    return [column.name for source in sources if source.name == name for column in source.columns]
