"""Fields: a Struct's fields that are columns, and the check that a value fits before PostgreSQL sees it."""

import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from itertools import chain
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args, get_origin
from uuid import UUID

import msgspec
from msgspec import UnsetType
from sqlalchemy import JSON, BigInteger, Column, Enum, Integer, SmallInteger, String, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from ..errors import ConfigurationError, InvalidData

KEPT = (bytes, date, datetime, time, timedelta, Decimal, UUID)
"""What psycopg takes as it is; anything else becomes plain JSON values, an enum its value."""


class Field(msgspec.Struct, frozen=True, eq=False):
    """A field of a Struct that is a column of its table."""

    name: str
    column: Column[Any]
    type: Any
    """The annotation without `None` and `UNSET`."""

    @property
    def is_json(self) -> bool:
        """Whether the column holds JSON."""
        return isinstance(self.column.type, JSON)

    @property
    def is_text(self) -> bool:
        """Whether the column holds text."""
        return isinstance(self.column.type, String)

    @property
    def bind_type(self) -> TypeEngine[Any]:
        """The column's type; for JSON one that writes None as NULL."""
        return JSONB(none_as_null=True) if self.is_json else self.column.type

    def check(self, value: object) -> Any:
        """Return `value` as the column takes it; raise `InvalidData`, naming the field, where it does not fit."""
        return self.convert(value, self.type)

    def convert(self, value: object, kind: Any) -> Any:
        """Return `value` as a `kind`; raise `InvalidData`, naming the field, where it is none."""
        try:
            typed = msgspec.convert(value, kind)
            plain = msgspec.to_builtins(typed, builtin_types=() if self.is_json else KEPT, str_keys=self.is_json)
            for part in _parts(plain):
                self._check_part(part)
        except (msgspec.ValidationError, TypeError, ValueError) as error:
            raise InvalidData(f"{self.name}: {error}", field=self.name) from error
        return plain

    def _check_part(self, part: object) -> None:
        match part:
            case str():
                _check_text(part)
            case datetime() if part.tzinfo is None:
                raise ValueError(f"{part.isoformat()} has no time zone")
            case int() if not self.is_json:
                _check_size(part, self.column.type)
            case float() if self.is_json and not math.isfinite(part):
                raise ValueError(f"JSON has no {part}")
            case _:
                pass


@cache
def fields_of(struct: type[msgspec.Struct], table: Table[Any]) -> Mapping[str, Field]:
    """Return the fields of `struct` that are columns of `table`, by name."""
    found: dict[str, Field] = {}
    for field in msgspec.structs.fields(struct):
        if field.name in table.c:
            column = table.c[field.name]
            if isinstance(column.type, Enum):
                raise ConfigurationError(f"{column}: store an enum as text")
            found[field.name] = Field(field.name, column, _bare(field.type))
    return found


def known(fields: Mapping[str, Field], name: str, of: str) -> Field:
    """Return the field; raise `InvalidData`, naming it, if there is none."""
    if name not in fields:
        raise InvalidData(f"{of} has no field {name!r}", field=name)
    return fields[name]


def _bare(kind: Any) -> Any:
    if get_origin(kind) not in (Union, UnionType):
        return kind
    return Union[tuple(part for part in get_args(kind) if part not in (NoneType, UnsetType))]  # noqa: UP007, how many parts is not known here


def _parts(plain: Any) -> Iterator[object]:
    """Yield every value within plain data, keys of objects too."""
    if isinstance(plain, dict):
        yield from chain.from_iterable(map(_parts, chain(*cast("dict[str, object]", plain).items())))
    elif isinstance(plain, list):
        yield from chain.from_iterable(map(_parts, cast("list[object]", plain)))
    else:
        yield plain


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("text cannot hold the character NUL")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("text cannot hold half of a surrogate pair")


def _check_size(number: int, kind: TypeEngine[Any]) -> None:
    bits = 15 if isinstance(kind, SmallInteger) else 63 if isinstance(kind, BigInteger) else 31
    if isinstance(kind, Integer) and not -(1 << bits) <= number < 1 << bits:
        raise ValueError(f"{number} is too large a number")
