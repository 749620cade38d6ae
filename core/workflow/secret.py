"""Secrets have no place in a journal: a step is handed a reference, and fetches them itself."""

from collections.abc import Iterator
from dataclasses import is_dataclass
from inspect import get_annotations
from typing import Annotated, Any, ClassVar, NewType, cast, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

from ..errors import ConfigurationError


class Secret:
    """Marks a field that must never be stored: `card_number: Annotated[str, Secret]`."""


def check_no_secrets(fn: Any, what: str) -> None:
    """Raise `ConfigurationError` if an argument or the result of `fn` has a field that is marked `Secret`."""
    for name, hint in _hints(fn).items():
        check_no_secret(hint, what, "the result" if name == "return" else name)


def check_no_secret(hint: Any, what: str, path: str) -> None:
    """Raise `ConfigurationError` if `hint`, or a field of a type in it, is marked `Secret`."""
    for found in _secrets(hint, path, set()):
        raise ConfigurationError(f"{what}: {found} is marked Secret and would be stored; pass a reference to it")


def _secrets(hint: Any, path: str, seen: set[Any]) -> Iterator[str]:
    if get_origin(hint) is Annotated:
        hint, *marks = get_args(hint)
        if any(mark is Secret or isinstance(mark, Secret) for mark in marks):
            yield path
    if get_origin(hint) is ClassVar:
        return
    for part in (hint.__supertype__,) if isinstance(hint, NewType) else get_args(hint):
        yield from _secrets(part, path, seen)
    # The fields of a generic type are looked at once, for all that it takes.
    kind = get_origin(hint) or hint
    if _has_fields(kind) and kind not in seen:
        seen.add(kind)
        for name, field in _hints(kind).items():
            yield from _secrets(field, f"{path}.{name}", seen)


def _has_fields(kind: Any) -> bool:
    if not isinstance(kind, type):
        return False
    known = cast("Any", kind)
    is_named = issubclass(kind, tuple) and hasattr(known, "_fields")
    return is_named or issubclass(kind, msgspec.Struct) or is_dataclass(known) or is_typeddict(known)


def _hints(owner: Any) -> dict[str, Any]:
    """Return the annotations; where a name is bound later, those that need none: the start looks again."""
    try:
        return get_type_hints(owner, include_extras=True)
    except (NameError, AttributeError, TypeError):
        return get_annotations(owner)
