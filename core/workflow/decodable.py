"""Whether what is journaled can be read back: asked when the application starts, not when a run has ended."""

from typing import Any, Never, NoReturn

from ..errors import ConfigurationError
from .codec import check_readable
from .definition import Definition
from .step import AnyStep

_NEVER: tuple[Any, ...] = (Never, NoReturn)


def check_decodable(each: AnyStep[..., Any, Any] | Definition[Any, Any]) -> None:
    """Raise `ConfigurationError` if a type cannot be read: of an argument, a result or what an undo is given."""
    what = f"{'workflow' if isinstance(each, Definition) else 'step'} {each.id}"
    try:
        kinds = each.types
    except (NameError, AttributeError, TypeError) as error:
        raise ConfigurationError(f"{what} has an annotation that cannot be resolved: {error}") from error
    for kind in kinds:
        if kind not in _NEVER:
            check_readable(kind, f"{what} has {kind} in its signature, which")
