"""Rendering: how a column's value becomes JSON that msgspec reads, or to the character what it would write."""

from decimal import Decimal
from typing import Any, get_args

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    Text,
    Time,
    TypeDecorator,
    case,
    cast,
    extract,
    func,
    literal_column,
    or_,
)
from sqlalchemy.dialects.postgresql import INTERVAL

from ..repository.fields import Field

INSTANT = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""
TIME_OF_DAY = "'HH24:MI:SS.US'"


def as_json(field: Field, column: ColumnElement[Any], *, exact: bool) -> ColumnElement[Any]:
    """Return the column as a member of a JSON object; `exact`: as msgspec would write it."""
    shown: ColumnElement[Any] = column
    match _kind(column.type):
        case Interval() | INTERVAL():
            shown = _duration(column)
        # Exact times take three times as long, and a quarter of the time of a graph with many.
        case DateTime(timezone=True) if exact:
            at = func.timezone(literal_column("'UTC'"), column)
            shown = _without_zeros(func.to_char(at, literal_column(INSTANT)), ".000000Z", "Z")
        case Time(timezone=False) if exact:
            shown = _without_zeros(func.to_char(column, literal_column(TIME_OF_DAY)), ".000000", "")
        case LargeBinary():
            encoded = func.encode(column, literal_column("'base64'"))
            shown = func.translate(encoded, literal_column("E'\\n'"), literal_column("''"))
        case Numeric() if Decimal in (field.type, *get_args(field.type)):
            shown = cast(column, Text)
        case _:
            pass
    return shown


def _without_zeros(text: Any, zeros: str, instead: str) -> ColumnElement[Any]:
    return func.replace(text, literal_column(f"'{zeros}'"), literal_column(f"'{instead}'"))


def _duration(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the interval in days and seconds, of which what is 0 is left out, as ISO 8601 has it."""
    total: ColumnElement[Any] = extract("epoch", column)
    seconds, day, zero = func.abs(total), _number("86400"), _number("0")
    days, rest = func.div(seconds, day), func.trim_scale(func.mod(seconds, day))
    sign = case((total < zero, _quoted("-P")), else_=_quoted("P"))
    date = case((or_(days > zero, rest == zero), func.concat(days, _quoted("D"))), else_=_quoted(""))
    time = case((rest > zero, func.concat(_quoted("T"), rest, _quoted("S"))), else_=_quoted(""))
    return case((column.is_not(None), func.concat(sign, date, time)))


def _number(digits: str) -> ColumnElement[int]:
    return literal_column(digits, Integer())


def _quoted(text: str) -> ColumnElement[str]:
    return literal_column(f"'{text}'", Text())


def _kind(column_type: Any) -> Any:
    if type(column_type) is Interval:  # which decorates DateTime, for databases that have no intervals
        return column_type
    return column_type.impl_instance if isinstance(column_type, TypeDecorator) else column_type
