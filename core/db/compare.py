"""Whether the tables are what the models say."""

from typing import Any

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.operations.ops import MigrateOperation, ModifyTableOps, UpgradeOps
from sqlalchemy import Connection, MetaData


def differences(connection: Connection, metadata: MetaData) -> list[str]:
    """Return what a migration to `metadata` would still have to do, a line each.

    Looks at the tables of `metadata` only. CHECK constraints, triggers and functions are not compared.
    """

    def include(name: str | None, kind: str, _parents: Any) -> bool:
        return kind != "table" or name in metadata.tables

    context = MigrationContext.configure(connection, opts={"include_name": include, "compare_server_default": True})
    upgrade = produce_migrations(context, metadata).upgrade_ops
    return [_line(operation) for operation in _flat(upgrade)] if upgrade else []


def _flat(group: UpgradeOps | ModifyTableOps) -> list[MigrateOperation]:
    """Return the operations without their grouping by table."""
    nested = [_flat(each) if isinstance(each, ModifyTableOps) else [each] for each in group.ops]
    return [operation for operations in nested for operation in operations]


def _line(operation: MigrateOperation) -> str:
    code = render_python_code(UpgradeOps([operation]))
    return " ".join(line.strip() for line in code.splitlines() if not line.strip().startswith("#"))
