"""Pairs: what callers give and get, and what PostgreSQL refuses, told as errors of ours."""

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg import errors
from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError

from ..db import driver_error
from ..errors import HoldfastError, InvalidData
from ..repository.reader import missing
from .definition import Link, LinkSide

Pair = tuple[str, str]
"""The left id and the right id."""
Extra = Mapping[str, Any]
Pairs = Sequence[Pair] | Mapping[Pair, Extra]
"""`[(booking.id, order.id)]`, or with extra columns `{(booking.id, order.id): {"note": "paid at the door"}}`."""

REFUSED_VALUE = re.compile(r"=\((.*?)\) ")
"""The value of a key, in whatever language PostgreSQL tells of it."""


class LinkTaken(HoldfastError):
    """One side has another partner already."""

    code = "link_taken"
    status = 409


class LinkedPair(msgspec.Struct, frozen=True, kw_only=True):
    """A pair as it is stored."""

    left_id: str
    right_id: str
    extra: dict[str, Any] = {}
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    """When it was dismissed."""


def with_extra(pairs: Pairs) -> Sequence[tuple[Pair, Extra]]:
    """Return the pairs, each with the extra columns that it gives."""
    return list(pairs.items()) if isinstance(pairs, Mapping) else [(pair, {}) for pair in pairs]


def checked(link: Link, pairs: Pairs) -> dict[Pair, dict[str, Any]]:
    """Return the pairs, each once, with their extra columns; raise `InvalidData` for what cannot be."""
    made = {_ids(link, pair): _extra(link, extra) for pair, extra in with_extra(pairs)}
    if len({frozenset(extra) for extra in made.values()}) > 1:
        raise InvalidData(f"{link.name}: all pairs of one call give the same extra columns")
    return made


def as_pair(link: Link, row: Row[Any]) -> LinkedPair:
    """Return a row of all columns of the link's table."""
    values: dict[str, Any] = dict(zip(link.table.c.keys(), row, strict=True))
    return LinkedPair(
        left_id=values[link.left.column],
        right_id=values[link.right.column],
        extra={name: values[name] for name in link.extra},
        created_at=values["created_at"],
        updated_at=values["updated_at"],
        deleted_at=values["deleted_at"],
    )


@contextmanager
def as_link_errors(link: Link, pairs: Sequence[Pair]) -> Generator[None]:
    """Turn a second partner into `LinkTaken`, an unknown id into `NotFound`."""
    try:
        yield
    except DBAPIError as error:
        match driver_error(error):
            case errors.UniqueViolation() as cause:
                index, value = _key(link, cause, "UQ")
                pair = next((pair for pair in pairs if pair[index] == value), pairs[0])
                raise _taken(link, index, pair) from error
            case errors.ForeignKeyViolation() as cause:
                index, value = _key(link, cause, "FK")
                raise missing(link.sides[index].entity, value) from error
            case psycopg.DataError() | psycopg.IntegrityError() as cause:
                raise InvalidData(f"{link.name}: {cause.diag.message_primary}") from error
            case _:
                raise


def _ids(link: Link, pair: Sequence[object]) -> Pair:
    if isinstance(pair, str) or len(pair) != 2:
        raise InvalidData(f"{link.name}: a pair is ({link.left.column}, {link.right.column}), not {pair!r}")
    left, right = (link.fields[side.column].check(id) for side, id in zip(link.sides, pair, strict=True))
    return left, right


def _extra(link: Link, extra: Extra) -> dict[str, Any]:
    if unknown := [name for name in extra if name not in link.extra]:
        raise InvalidData(f"{link.name} has no extra column {unknown[0]!r}", field=unknown[0])
    return {name: None if value is None else link.extra[name].check(value) for name, value in extra.items()}


def _key(link: Link, error: psycopg.Error, kind: str) -> tuple[int, str]:
    """Return which side's key was refused, 0 is the left one's, and its value."""
    right = error.diag.constraint_name == f"{kind}_{link.table.name}_{link.right.column}"
    found = REFUSED_VALUE.search(error.diag.message_detail or "")
    return int(right), found[1] if found else ""


def _taken(link: Link, index: int, pair: Pair) -> LinkTaken:
    sides: Sequence[LinkSide] = link.sides
    mine, other = sides[index].entity.name, sides[1 - index].entity.name
    ids = {link.left.column: pair[0], link.right.column: pair[1]}
    return LinkTaken(f"{mine} {pair[index]} has another {other} already", link=link.name, **ids)
