"""`fields=`: which fields of a view an answer holds."""

from collections.abc import Sequence
from typing import Annotated

from litestar.params import QueryParameter
from msgspec import Struct

from .errors import InvalidRequest

Fields = Annotated[
    str | None, QueryParameter(description="The fields to answer, separated by commas; left out: all of them.")
]


def chosen(fields: str | None, view: type[Struct]) -> Sequence[str]:
    """Return the fields of `view` that were asked for. Raises `InvalidRequest` for others."""
    if fields is None:
        return view.__struct_fields__
    names = [name.strip() for name in fields.split(",")]
    for name in names:
        if name not in view.__struct_fields__:
            raise InvalidRequest(f"{name[:100]!r} cannot be asked for", field="fields")
    return names
