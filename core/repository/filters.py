"""Filters: Medusa's operators on an entity's fields, as clauses.

`$ne` and `$nin` keep NULLs, `$not` is the logical complement, `$in: []` matches nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, any_, collate, false, literal, or_, true
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from ..entity import EntityTable
from ..errors import InvalidData
from .fields import Field, fields_of, known

Filters = Mapping[str, Any]
"""`{"status": "held", "start_at": {"$lt": at}, "$or": [{...}, {...}]}`."""

Clause = ColumnElement[bool]
DEEPEST = 20


def where(entity: EntityTable[Any], filters: Filters) -> Clause:
    """Return the clause of `filters`; raise `InvalidData` for a field, operator or value that does not fit."""
    return clause_on(fields_of(entity.struct, entity.table), filters, entity.name)


def clause_on(fields: Mapping[str, Field], filters: Filters, of: str) -> Clause:
    """Return the clause of `filters` on fields that are not an entity's; raises as `where` does."""

    def member(name: str, value: object, depth: int) -> Clause:
        return condition(known(fields, name, of), value, depth)

    return _all(filters, member, 0)


def _all(filters: object, member: Callable[[str, object, int], Clause], depth: int) -> Clause:
    """Combine the members of a filter, of which `$and`, `$or` and `$not` hold filters again."""
    if not isinstance(filters, Mapping):
        raise InvalidData(f"a filter is an object, not {filters!r}")
    if depth > DEEPEST:
        raise InvalidData("the filters are nested too deeply")

    def clause(name: str, value: object) -> Clause:
        if name == "$not":
            return _all(value, member, depth + 1).is_not(true())
        if name not in ("$and", "$or"):
            return member(name, value, depth + 1)
        parts = [_all(part, member, depth + 1) for part in listed(name, value)]
        return and_(true(), *parts) if name == "$and" else or_(false(), *parts)

    members = cast("Filters", filters)
    return and_(true(), *(clause(name, value) for name, value in members.items()))


def condition(field: Field, value: object, depth: int = 0) -> Clause:
    """Return the clause of one field: a value, None, a list (`$in`) or operators."""
    if not isinstance(value, Mapping):
        return _in(field, value) if _is_list(value) else _eq(field, value)
    if not value:
        raise InvalidData(f"{field.name}: no operator given", field=field.name)
    return _all(cast("Filters", value), lambda name, operand, _depth: _operator(field, name)(field, operand), depth)


def _operator(field: Field, name: str) -> Callable[[Field, Any], Clause]:
    if name not in OPERATORS:
        raise InvalidData(f"{field.name}: unknown operator {name!r}", field=field.name)
    return OPERATORS[name]


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple | set | frozenset)


def listed(name: str, value: object) -> Sequence[object]:
    """Return the members of a list, tuple or set; raise `InvalidData` for anything else."""
    if not _is_list(value):
        raise InvalidData(f"{name} takes a list, not {value!r}")
    return list(cast("Sequence[object]", value))


def _bound(field: Field, value: object) -> ColumnElement[Any]:
    return literal(field.check(value), field.bind_type)


def _eq(field: Field, value: object) -> Clause:
    return field.column.is_(None) if value is None else field.column == _bound(field, value)


def _ne(field: Field, value: object) -> Clause:
    return field.column.is_not(None) if value is None else field.column.is_distinct_from(_bound(field, value))


def _in(field: Field, value: object) -> Clause:
    operands = listed(f"{field.name}: $in", value)
    found = _among(field, [operand for operand in operands if operand is not None])
    return or_(found, field.column.is_(None)) if None in operands else found


def _among(field: Field, operands: Sequence[object]) -> Clause:
    if field.is_json or isinstance(field.column.type, ARRAY):
        return or_(false(), *(_eq(field, operand) for operand in operands))
    # One array parameter, so that the statement's text does not depend on how many values there are.
    checked = [field.check(operand) for operand in operands]
    return field.column == any_(literal(checked, ARRAY(field.bind_type)))


def _nin(field: Field, value: object) -> Clause:
    return _in(field, value).is_not(true())


def _comparison(symbol: str) -> Callable[[Field, Any], Clause]:
    def compare(field: Field, value: object) -> Clause:
        if value is None:
            raise InvalidData(f"{field.name}: nothing is greater or less than null", field=field.name)
        # Ids are all of one shape, which sorts alike everywhere: theirs is the plain index.
        plain = not field.is_text or field.column.primary_key
        column = field.column if plain else collate(field.column, "C")
        return column.bool_op(symbol)(_bound(field, value))

    return compare


def _pattern(field: Field, value: object) -> str:
    if not field.is_text:
        raise InvalidData(f"{field.name} is not text", field=field.name)
    pattern = field.convert(value, str)
    if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
        raise InvalidData(f"{field.name}: a pattern cannot end with its escape character", field=field.name)
    return pattern


def _like(field: Field, value: object) -> Clause:
    return field.column.like(_pattern(field, value))


def _ilike(field: Field, value: object) -> Clause:
    return field.column.ilike(_pattern(field, value))


def _contains(field: Field, value: object) -> Clause:
    if field.is_json:
        return field.column.bool_op("@>")(literal(field.convert(value, dict[str, Any] | list[Any]), JSONB()))
    if isinstance(field.column.type, ARRAY):
        return field.column.bool_op("@>")(_bound(field, value))
    raise InvalidData(f"{field.name} is neither JSON nor an array", field=field.name)


def _exists(field: Field, value: object) -> Clause:
    if not isinstance(value, bool):
        raise InvalidData(f"{field.name}: $exists takes true or false, not {value!r}", field=field.name)
    return field.column.is_not(None) if value else field.column.is_(None)


OPERATORS: dict[str, Callable[[Field, Any], Clause]] = {
    "$eq": _eq,
    "$ne": _ne,
    "$in": _in,
    "$nin": _nin,
    "$gt": _comparison(">"),
    "$gte": _comparison(">="),
    "$lt": _comparison("<"),
    "$lte": _comparison("<="),
    "$like": _like,
    "$ilike": _ilike,
    "$contains": _contains,
    "$exists": _exists,
}
