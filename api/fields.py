"""`fields=`: which fields of a view an answer holds."""

from collections.abc import Sequence

from litestar.params import QueryParameter
from msgspec import Struct

from .errors import InvalidRequest


def fields_of(view: type[Struct]) -> QueryParameter:
    """Describe the parameter: names of the view's fields."""
    name = f" *(?:{'|'.join(view.__struct_fields__)}) *"
    return QueryParameter(
        description="The fields to answer, separated by commas; left out: all of them.",
        schema_extra={"pattern": f"^{name}(?:,{name})*$"},
    )


def chosen(fields: str | None, view: type[Struct]) -> Sequence[str]:
    """Return the fields of `view` that were asked for. Raises `InvalidRequest` for others."""
    if fields is None:
        return view.__struct_fields__
    names = [name.strip(" ") for name in fields.split(",")]
    for name in names:
        if name not in view.__struct_fields__:
            raise InvalidRequest(f"{name[:100]!r} cannot be asked for", field="fields")
    return names
