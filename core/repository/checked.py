"""Repositories that check each row as a whole before it is written."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import UNSET
from sqlalchemy import select

from ..entity import EntityTable, S
from .repository import C, Repository, U

W = TypeVar("W", bound=msgspec.Struct)


class CheckedRepository(Repository[S, C, U], Generic[S, C, U]):
    """Checks a new row, and a changed one as it would then stand; `check` raises `InvalidData`."""

    def __init__(
        self, entity: EntityTable[S], create: type[C], update: type[U], check: Callable[[S | C], None]
    ) -> None:
        super().__init__(entity, create, update)
        self._check = check

    def prepare(self, data: W) -> W:
        """Return what is to be written; a subclass may fill in or normalize fields."""
        # Building a Struct converts nothing, so this is where a value gets the type of its field.
        return msgspec.convert(self._values(data), type(data))

    async def create(self, data: Sequence[C]) -> list[S]:
        """Insert rows; raise `InvalidData` for one that makes no sense."""
        prepared = [self.prepare(one) for one in data]
        for one in prepared:
            self._check(one)
        return await super().create(prepared)

    async def update(self, data: Sequence[U]) -> list[S]:
        """Change rows; raise `InvalidData` for one that would no longer make sense."""
        prepared = [self.prepare(one) for one in data]
        changes = {change["id"]: change for change in map(msgspec.structs.asdict, prepared)}
        for row in await self._locked(sorted(changes)):
            given = {name: value for name, value in changes[row["id"]].items() if value is not UNSET}
            self._check(msgspec.convert({**row, **given}, self.entity.struct))
        return await super().update(prepared)

    async def _locked(self, ids: list[str]) -> list[dict[str, Any]]:
        """Lock rows in order, so that nobody changes the rest of a row that is being checked."""
        columns = [self.entity.table.c[name] for name in self.fields]
        wanted = select(*columns).where(self.entity.table.c.id.in_(ids)).order_by(self.entity.table.c.id)
        transaction = self.session.writable(f"{self.entity.name}.update")
        rows = await transaction.execute(wanted.with_for_update(key_share=True))
        return [dict(zip(self.fields, row, strict=True)) for row in rows]
