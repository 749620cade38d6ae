"""Rows of the studio, made past its services."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert

from core.container import Scope
from core.entity import EntityTable
from core.link import Link

from .studio import INVOICE, ITEM, LESSON, PUPIL, TEACHER

THEN = datetime(2026, 1, 1, tzinfo=UTC)
LEAST: Mapping[str, Mapping[str, Any]] = {
    "teacher": {"name": "Ann"},
    "lesson": {"title": "Piano", "size": 1},
    "pupil": {"age": 9},
    "invoice": {"number": 1},
    "item": {"title": "Sheet"},
}


class Rows:
    """Inserts rows into the open transaction."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def teacher(self, id: str, **values: Any) -> str:
        return await self.add(TEACHER, id, values)

    async def lesson(self, id: str, **values: Any) -> str:
        return await self.add(LESSON, id, values)

    async def pupil(self, id: str, **values: Any) -> str:
        return await self.add(PUPIL, id, values)

    async def invoice(self, id: str, **values: Any) -> str:
        return await self.add(INVOICE, id, values)

    async def item(self, id: str, invoice_id: str, **values: Any) -> str:
        return await self.add(ITEM, id, {"invoice_id": invoice_id, **values})

    async def add(self, entity: EntityTable[Any], id: str, values: Mapping[str, Any]) -> str:
        """Insert a row; its `deleted` stands for a `deleted_at`."""
        made = {"id": id, "created_at": THEN, "updated_at": THEN, **LEAST[entity.name], **_deleted(values)}
        await self._scope.session.writable("rows").execute(insert(entity.table).values(made))
        return id

    async def link(self, link: Link, left: str, right: str, **values: Any) -> None:
        """Insert a pair."""
        made = {link.left.column: left, link.right.column: right, "created_at": THEN, "updated_at": THEN}
        await self._scope.session.writable("rows").execute(insert(link.table).values(made | _deleted(values)))


def _deleted(values: Mapping[str, Any]) -> dict[str, Any]:
    given = dict(values)
    return given | ({"deleted_at": THEN} if given.pop("deleted", False) else {}) if "deleted" in given else given
