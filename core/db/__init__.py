"""PostgreSQL: connections, transactions, column types, migrations, and the servers that `holdfast dev` brings."""

from .engine import create_engine
from .failure import as_busy, connection_lost, driver_error, got_no_connection, is_transient, sqlstate
from .session import Session, Transaction
from .table import EntityColumns, TableBase, module_metadata, one_of
from .types import UtcDateTime

__all__ = [
    "EntityColumns",
    "Session",
    "TableBase",
    "Transaction",
    "UtcDateTime",
    "as_busy",
    "connection_lost",
    "create_engine",
    "driver_error",
    "got_no_connection",
    "is_transient",
    "module_metadata",
    "one_of",
    "sqlstate",
]
