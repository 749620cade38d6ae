"""Link tables as they were made last, as they are wanted now, and what leads from one to the other."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from alembic.operations import Operations
from sqlalchemy import Column, Index, Table
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.schema import CreateTable

DIALECT = PGDialect_psycopg()


class LinkColumn(msgspec.Struct, frozen=True):
    """A column as DDL has it."""

    type: str
    nullable: bool
    default: str | None


class LinkDefinition(msgspec.Struct, frozen=True):
    """What `link_definition` keeps of a link table."""

    columns: dict[str, LinkColumn]
    references: dict[str, str]
    """The table of each column that is a foreign key."""
    unique: list[str]
    """The columns of which a value is in one live pair at most."""


Definitions = Mapping[str, LinkDefinition]
"""By the name of the table."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One step from the table that is there to the one that is wanted."""

    action: str
    what: str
    apply: Callable[[Operations], object]
    vital: bool = True
    """Whether this code cannot run before it is done."""

    def __str__(self) -> str:
        return f"{self.action} {self.what}"


def definition_of(table: Table[Any]) -> LinkDefinition:
    """Return what is kept of a link table."""
    return LinkDefinition(
        {str(column.name): _described(column) for column in table.c},
        {str(key.parent.name): str(key.column.table.name) for key in table.foreign_keys},
        sorted(_unique(table)),
    )


def losses(name: str, stored: LinkDefinition, table: Table[Any] | None) -> list[Change]:
    """Return the changes that lose data, or may: those that have to be allowed."""
    if table is None:
        return [Change(action="drop", what=name, apply=lambda op: op.drop_table(name, if_exists=True), vital=False)]
    wanted = definition_of(table)
    if wanted.references != stored.references:
        return [Change(action="replace", what=name, apply=lambda op: op.drop_table(name, if_exists=True))]
    return [
        _drop(name, column) if column not in wanted.columns else _alter(table.c[column])
        for column, described in stored.columns.items()
        if described != wanted.columns.get(column)
    ]


def after_losses(stored: LinkDefinition, table: Table[Any] | None) -> LinkDefinition | None:
    """Return what is there when the losses are done; None if the table is gone."""
    wanted = None if table is None else definition_of(table)
    if wanted is None or wanted.references != stored.references:
        return None
    kept = {name: wanted.columns[name] for name in stored.columns if name in wanted.columns}
    return LinkDefinition(kept, stored.references, stored.unique)


def additions(stored: LinkDefinition | None, table: Table[Any]) -> list[Change]:
    """Return the changes that lose nothing; those of the cardinality fail where the pairs do not fit."""
    if stored is None:
        return [Change(action="create", what=table.name, apply=lambda op: _create(op, table))]
    if definition_of(table).references != stored.references:
        return []
    unique = _unique(table)
    return [
        *(_add(column) for column in table.c if column.name not in stored.columns),
        *(_limit(table, unique[name]) for name in sorted(unique.keys() - set(stored.unique))),
        *(_unlimit(table, name) for name in stored.unique if name not in unique),
    ]


def after_additions(stored: LinkDefinition | None, table: Table[Any]) -> LinkDefinition:
    """Return what is there when the additions are done."""
    wanted = definition_of(table)
    if stored is None or wanted.references != stored.references:
        return stored or wanted
    return LinkDefinition(wanted.columns | stored.columns, wanted.references, wanted.unique)


def _described(column: Column[Any]) -> LinkColumn:
    default = DIALECT.ddl_compiler(DIALECT, CreateTable(column.table)).get_column_default_string(column)
    return LinkColumn(column.type.compile(DIALECT), bool(column.nullable), default)


def _unique(table: Table[Any]) -> dict[str, Index]:
    return {str(column.name): index for index in table.indexes if index.unique for column in index.columns}


def _create(op: Operations, table: Table[Any]) -> None:
    table.create(op.get_bind())


def _add(column: Column[Any]) -> Change:
    table = column.table.name

    def add(op: Operations) -> None:
        # A copy of its own, since Alembic puts the column into a table.
        op.add_column(
            table, Column(column.name, column.type, nullable=column.nullable, server_default=_default(column))
        )

    return Change(action="add", what=f"{table}.{column.name}", apply=add)


def _drop(table: str, column: str) -> Change:
    return Change(action="drop", what=f"{table}.{column}", apply=lambda op: op.drop_column(table, column), vital=False)


def _alter(column: Column[Any]) -> Change:
    table, name = column.table.name, column.name
    using = f"{DIALECT.identifier_preparer.quote(name)}::{column.type.compile(DIALECT)}"

    def alter(op: Operations) -> None:
        op.alter_column(table, name, server_default=None)  # the old default may not fit the new type
        op.alter_column(table, name, type_=column.type, postgresql_using=using)
        op.alter_column(table, name, nullable=column.nullable, server_default=_default(column))

    return Change(action="alter", what=f"{table}.{name}", apply=alter)


def _limit(table: Table[Any], index: Index) -> Change:
    [column] = index.columns
    what = f"{table.name}.{column.name}"
    # Not vital, so that old processes stay ready when a newer one has lifted the limit.
    return Change(
        action="require one live pair per", what=what, apply=lambda op: index.create(op.get_bind()), vital=False
    )


def _unlimit(table: Table[Any], column: str) -> Change:
    what = f"{table.name}.{column}"
    index = f"UQ_{table.name}_{column}"
    return Change(action="allow many live pairs per", what=what, apply=lambda op: op.drop_index(index), vital=False)


def _default(column: Column[Any]) -> Any:
    return getattr(column.server_default, "arg", None)
