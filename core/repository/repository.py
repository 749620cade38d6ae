"""Generated writes of an entity."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import UNSET
from sqlalchemy import Delete, Insert, Text, Update, any_, bindparam, case, delete, func, insert, literal, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.elements import ColumnElement

from ..db import UtcDateTime
from ..db.session import Values
from ..entity import EntityTable, S
from ..errors import ConfigurationError, InvalidData
from ..ids import new_id
from .fields import Field, fields_of
from .reader import Reader, missing
from .selection import as_dicts, columns_of
from .violations import as_invalid_data

C = TypeVar("C", bound=msgspec.Struct)
U = TypeVar("U", bound=msgspec.Struct)
Row = dict[str, Any]


class NoWrites(msgspec.Struct, frozen=True, kw_only=True):
    """Stands for the Structs of writes where an entity has generated reads only."""


class Repository(Reader[S], Generic[S, C, U]):
    """Reads and writes rows of one entity as its Structs; fields that are `UNSET` are left alone.

    Writes need an open transaction. All raise `InvalidData` for what the columns or constraints refuse. One that
    raises may have written a part: let the transaction roll back.
    """

    def __init__(self, entity: EntityTable[S], create: type[C], update: type[U]) -> None:
        super().__init__(entity)
        self._create = create
        self._update = update
        for struct in (create, update):
            if unknown := set(struct.__struct_fields__) - set(entity.table.c.keys()):
                raise ConfigurationError(f"{struct.__qualname__}: {entity.name} has no columns {sorted(unknown)}")

    async def create(self, data: Sequence[C]) -> list[S]:
        """Insert rows and return them in the order of `data`: one statement for each set of fields given."""
        now = self.clock.now()
        rows: list[Row] = [
            {"id": new_id(self.entity.id_prefix), "created_at": now, "updated_at": now} | self._values(one)
            for one in data
        ]
        # A column that is left out takes its default, which it would not if it were given as NULL.
        alike: dict[frozenset[str], list[Row]] = {}
        for row in rows:
            alike.setdefault(frozenset(row), []).append(row)
        made: dict[str, S] = {}
        for names, group in alike.items():
            parameters = [{f"new_{name}": value for name, value in row.items()} for row in group]
            made |= await self._write("create", self._insert(names), parameters)
        return [made[row["id"]] for row in rows]

    async def update(self, data: Sequence[U]) -> list[S]:
        """Change rows and return them in the order of `data`; raise `NotFound` for an id that is not there."""
        now = self.clock.now()
        changes = [self._values(one) for one in data]
        ids = [change.pop("id") for change in changes]
        if len(set(ids)) < len(ids):
            raise InvalidData(f"{self.entity.name}: one id twice in an update", field="id")
        made: dict[str, S] = {}
        # Rows are locked in the order of their ids, so that two updates of the same rows cannot deadlock.
        for id, change in sorted(zip(ids, changes, strict=True), key=lambda pair: pair[0]):
            values = {name: self._literal(name, value) for name, value in {"updated_at": now, **change}.items()}
            alive = self.entity.table.c.deleted_at.is_(None)
            statement = update(self.entity.table).where(self.entity.table.c.id == id, alive).values(values)
            made |= await self._write("update", statement)
            if id not in made:
                raise missing(self.entity, id)
        return [made[id] for id in ids]

    async def upsert(self, data: Sequence[C | U]) -> list[S]:
        """Create from the Structs of new rows, update from those of changes; return all in the order of `data`."""
        made = iter(await self.create([one for one in data if isinstance(one, self._create)]))
        changed = iter(await self.update([one for one in data if isinstance(one, self._update)]))
        return [next(made) if isinstance(one, self._create) else next(changed) for one in data]

    async def delete(self, ids: Sequence[str]) -> None:
        """Delete rows for good; raise `NotFound` for an id that is not there."""
        await self._by_id("delete", delete(self.entity.table), ids)

    async def soft_delete(self, ids: Sequence[str]) -> None:
        """Hide rows; those already hidden keep their time. Raise `NotFound` for an id that is not there."""
        at = func.coalesce(self.entity.table.c.deleted_at, self._now())
        await self._by_id("soft_delete", update(self.entity.table).values(deleted_at=at, updated_at=at), ids)

    async def restore(self, ids: Sequence[str]) -> None:
        """Show soft-deleted rows again; raise `NotFound` for an id that is not there."""
        columns = self.entity.table.c
        at = case((columns.deleted_at.is_not(None), self._now()), else_=columns.updated_at)
        await self._by_id("restore", update(self.entity.table).values(deleted_at=None, updated_at=at), ids)

    def _now(self) -> ColumnElement[Any]:
        return literal(self.clock.now(), UtcDateTime())

    def _values(self, data: msgspec.Struct) -> Row:
        """Return the checked values of the fields that are set."""
        fields = fields_of(type(data), self.entity.table)
        given = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not UNSET}
        return {name: None if value is None else fields[name].check(value) for name, value in given.items()}

    def _literal(self, name: str, value: Any) -> ColumnElement[Any]:
        return literal(value, self._field(name).bind_type)

    def _field(self, name: str) -> Field:
        return Field(name, self.entity.table.c[name], Any)

    def _insert(self, names: frozenset[str]) -> Insert:
        parameters = {name: bindparam(f"new_{name}", type_=self._field(name).bind_type) for name in sorted(names)}
        return insert(self.entity.table).values(parameters)

    async def _write(self, method: str, statement: Insert | Update, values: Values = None) -> dict[str, S]:
        """Run a statement and return the rows that it wrote by id."""
        transaction = self.session.writable(f"{self.entity.name}.{method}")
        columns = columns_of(self.entity)
        with as_invalid_data(self.entity.name, self.entity.table):
            written = (await transaction.execute(statement.returning(*columns.values()), values)).all()
        return {row["id"]: msgspec.convert(row, self.entity.struct) for row in as_dicts(columns, written)}

    async def _by_id(self, method: str, statement: Update | Delete, ids: Sequence[str]) -> None:
        transaction = self.session.writable(f"{self.entity.name}.{method}")
        if not ids:
            return
        id = self.entity.table.c.id
        checked = [self.fields["id"].check(one) for one in ids]
        chosen = statement.where(id == any_(literal(checked, ARRAY(Text())))).returning(id)
        with as_invalid_data(self.entity.name, self.entity.table):
            found = set((await transaction.execute(chosen)).scalars())
        if gone := [one for one in ids if one not in found]:
            raise missing(self.entity, *gone)
