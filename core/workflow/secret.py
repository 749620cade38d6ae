"""Secrets have no place in a journal: a step is handed a reference, and fetches them itself."""

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from ..errors import ConfigurationError


class Secret:
    """Marks a field that must never be stored: `card_number: Annotated[str, Secret]`."""


def check_no_secrets(fn: Any, what: str) -> None:
    """Raise `ConfigurationError` if an argument or the result of `fn` has a field that is marked `Secret`."""
    try:
        hints = get_type_hints(fn, include_extras=True)
    except NameError:
        return  # names that are bound later; the start of the application looks again
    for name, hint in hints.items():
        for path in _secrets(hint, "the result" if name == "return" else name, set()):
            raise ConfigurationError(f"{what}: {path} is marked Secret and would be stored; pass a reference to it")


def _secrets(hint: Any, path: str, seen: set[Any]) -> Iterator[str]:
    if get_origin(hint) is Annotated:
        hint, *marks = get_args(hint)
        if any(mark is Secret or isinstance(mark, Secret) for mark in marks):
            yield path
    for part in get_args(hint):
        yield from _secrets(part, path, seen)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct) and hint not in seen:
        seen.add(hint)
        for field in msgspec.structs.fields(hint):
            yield from _secrets(field.type, f"{path}.{field.name}", seen)
