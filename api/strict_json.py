"""The door for bodies: JSON that every reader understands alike, then exactly the fields and types of a Struct."""

import json
import re
from collections import Counter
from typing import Any, NoReturn, TypeVar, cast

import msgspec

from core.errors import HoldfastError, InvalidData

from .errors import InvalidRequest, UnknownField

MAX_DEPTH = 32
NAME_LENGTH = 100
"""Names out of a body are cut to this length where an error repeats them."""

_UNKNOWN = re.compile(r"Object contains unknown field `(.*?)`(?: - at `\$(.*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*?)`(?: - at `\$(.*)`)?", re.DOTALL)
_PLACE = re.compile(r"(.*?)(?: - at `\$(.*)`)?", re.DOTALL)
# What msgspec says of a value that has the right type but breaks a constraint of `msgspec.Meta`.
_CONSTRAINT = re.compile(r"Expected `\w+` (?:of length|matching|>|<|that)")

T = TypeVar("T")


def decode(body: bytes, kind: type[T]) -> T:
    """Read `body` as `kind`.

    Raises `InvalidRequest` for what is not strict JSON (RFC 8259, unique keys, no lone surrogates, no more than
    `MAX_DEPTH` levels) or not of the type, `UnknownField`, and `InvalidData` for a value that is not allowed.
    """
    value = _parse(body)
    nul_at = _inspect(value, "", 1)
    try:
        found = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    if nul_at is not None:
        raise InvalidData("a text cannot hold NUL", field=nul_at)
    return found


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_not_a_number)
    except (ValueError, RecursionError):
        raise InvalidRequest("the body is not JSON") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise InvalidRequest("a key stands twice in one object", field=_shorten(twice))
    return found


def _not_a_number(name: str) -> NoReturn:
    raise InvalidRequest(f"{name} is not JSON")


def _inspect(value: Any, place: str, depth: int) -> str | None:
    """Refuse depth and lone surrogates; return where the first NUL is, if there is one."""
    if isinstance(value, str):
        return _inspect_text(value, place)
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        nul_at = _inspect_text("\n".join(members), place)
        # Cut at each level: a long name above many others would be repeated as often.
        children = ((child, _shorten(f"{place}.{name}" if place else name)) for name, child in members.items())
    elif isinstance(value, list):
        nul_at = None
        children = ((child, _shorten(f"{place}[{index}]")) for index, child in enumerate(cast("list[Any]", value)))
    else:
        return None
    if depth > MAX_DEPTH:
        raise InvalidRequest(f"the body is nested deeper than {MAX_DEPTH} levels")
    for child, at in children:
        found = _inspect(child, at, depth + 1)
        nul_at = found if nul_at is None else nul_at
    return nul_at


def _inspect_text(text: str, place: str) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest("a text holds half of a surrogate pair") from None
    return _shorten(place) if "\0" in text else None


def _explain(message: str) -> HoldfastError:
    if found := _UNKNOWN.fullmatch(message):
        name = _join(found[2], found[1])
        return UnknownField(f"{name!r} is not a field here", field=name)
    if found := _MISSING.fullmatch(message):
        name = _join(found[2], found[1])
        return InvalidRequest(f"{name!r} is missing", field=name)
    found = _PLACE.fullmatch(message)
    text, name = (found[1], _join(found[2], "")) if found else (message, "")
    if _CONSTRAINT.match(text):
        return InvalidData("has not the form that is wanted" if "matching regex" in text else text, field=name)
    return InvalidRequest(text, field=name)


def _join(place: str | None, name: str) -> str:
    return _shorten(".".join(part for part in ((place or "").lstrip("."), name) if part))


def _shorten(name: str) -> str:
    return name if len(name) <= NAME_LENGTH else f"{name[:NAME_LENGTH]}..."
