"""Statements on the table of a link: one each, however many pairs there are.

The pairs travel as one JSON document, so that the text of a statement does not depend on how many there are.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    ColumnElement,
    Delete,
    FromClause,
    Select,
    Text,
    Update,
    any_,
    cast,
    column,
    delete,
    func,
    literal,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from ..db import UtcDateTime
from ..repository import Filters
from ..repository.filters import clause_on
from .definition import Link
from .pairs import LinkedPair, Pair


def creation(link: Link, rows: Mapping[Pair, Mapping[str, Any]], now: datetime) -> ReturningInsert[Any]:
    """Return the statement that makes pairs and revives dismissed ones; what they give of extra columns is set."""
    extra = list(next(iter(rows.values())))
    given = _given(link, rows, extra)
    at = literal(now, UtcDateTime())
    ids = [given.c[side.column] for side in link.sides]
    # The unique index takes the same pair, made by another transaction at once, for a second partner; its records
    # are locked before any pair is made, so that whoever comes second finds the pair.
    source = select(*given.c, at, at).where(_records_held(link, rows)).order_by(*ids)
    made = insert(link.table).from_select([*given.c.keys(), "created_at", "updated_at"], source)
    changes = {name: made.excluded[name] for name in (*extra, "updated_at")}
    return made.on_conflict_do_update(index_elements=_keys(link), set_={"deleted_at": None, **changes}).returning(
        link.table
    )


def dismissal(link: Link, pairs: Iterable[Pair], now: datetime) -> ReturningUpdate[Any]:
    """Return the statement that dismisses those of the pairs that are live."""
    live = locking(link, pairs).where(link.table.c.deleted_at.is_(None)).cte("live")
    at = literal(now, UtcDateTime())
    return update(link.table).where(_among(link, live)).values(deleted_at=at, updated_at=at).returning(link.table)


def locking(link: Link, pairs: Iterable[Pair]) -> Select[*tuple[Any, ...]]:
    """Return the statement that locks pairs, live and dismissed ones, in the order of their ids."""
    rows = _bare(pairs)
    # The records first, as `creation` does: who dismisses and then creates would wait for who creates and waits for it.
    found = select(*link.table.c).where(_records_held(link, rows), _among(link, _given(link, rows, [])))
    return found.order_by(*_keys(link)).with_for_update()


def removal(link: Link, pairs: Iterable[Pair]) -> Delete:
    """Return the statement after which there have never been such pairs."""
    return delete(link.table).where(_among(link, _given(link, _bare(pairs), [])))


def reversal(link: Link, pairs: Iterable[LinkedPair]) -> Update:
    """Return the statement that makes pairs what they were."""
    changed = [*link.extra, "updated_at", "deleted_at"]
    rows = {
        (pair.left_id, pair.right_id): {**pair.extra, "updated_at": pair.updated_at, "deleted_at": pair.deleted_at}
        for pair in pairs
    }
    given = _given(link, rows, changed)
    same = [link.table.c[side.column] == given.c[side.column] for side in link.sides]
    return update(link.table).where(*same).values({name: given.c[name] for name in changed})


def listing(link: Link, filters: Filters, *, with_deleted: bool) -> Select[*tuple[Any, ...]]:
    """Return the statement that reads pairs; without dismissed ones and without those of deleted records."""
    joined: FromClause = link.table
    alive = [link.table.c.deleted_at.is_(None)]
    for side in link.sides:
        records = side.entity.table
        joined = joined.join(records, records.c.id == link.table.c[side.column])
        alive.append(records.c.deleted_at.is_(None))
    wanted = clause_on(link.fields, filters, link.name)
    shown = true() if with_deleted else alive[0] & alive[1] & alive[2]
    return select(*link.table.c).select_from(joined).where(shown, wanted).order_by(*_keys(link))


def _records_held(link: Link, pairs: Iterable[Pair]) -> ColumnElement[bool]:
    """Return a clause that locks the records that may have one partner only, and is always true."""
    limited = next((index for index in (0, 1) if not link.sides[1 - index].many), None)
    if limited is None:
        return true()
    id = link.sides[limited].entity.table.c.id
    wanted = literal([pair[limited] for pair in pairs], ARRAY(Text()))
    held = select(id).where(id == any_(wanted)).order_by(id).with_for_update(key_share=True).cte("held")
    return select(func.count()).select_from(held).scalar_subquery() >= 0


def _keys(link: Link) -> Sequence[ColumnElement[Any]]:
    return [link.table.c[side.column] for side in link.sides]


def _bare(pairs: Iterable[Pair]) -> dict[Pair, dict[str, Any]]:
    return {pair: {} for pair in pairs}


def _among(link: Link, given: FromClause) -> ColumnElement[bool]:
    ids = select(*(given.c[side.column] for side in link.sides))
    return tuple_(*_keys(link)).in_(ids)


def _given(link: Link, rows: Mapping[Pair, Mapping[str, Any]], names: Sequence[str]) -> FromClause:
    """Return the pairs, and what they give of the columns named, as a table."""
    document = [{link.left.column: left, link.right.column: right, **values} for (left, right), values in rows.items()]
    columns = [column(name, link.table.c[name].type) for name in (link.left.column, link.right.column, *names)]
    value = cast(literal(msgspec.json.encode(document).decode(), Text()), JSON)
    return func.json_to_recordset(value).table_valued(*columns).render_derived(name="given", with_types=True)
