"""Rows: the types that a graph's JSON is decoded to."""

from types import UnionType
from typing import Any, TypedDict, Union, cast, get_args, get_origin

import msgspec
from msgspec import UnsetType

from .selection import Branch, Selection


def decoder(selection: Selection) -> msgspec.json.Decoder[list[Any]]:
    """Return what decodes a list of such rows: to the selection's Struct, or to dicts with values as in the Structs."""
    return msgspec.json.Decoder(list[_type_of(selection)])


def _type_of(selection: Selection) -> Any:
    if selection.struct is not None:
        return selection.struct
    kinds = {field.name: field.type for field in msgspec.structs.fields(selection.node.entity.struct)}
    keys = {member.key: _set(kinds[member.field.name]) for member in selection.members}
    keys |= {branch.key: _related(branch) for branch in selection.branches}
    return cast("Any", TypedDict)(selection.node.name, keys)


def _related(branch: Branch) -> Any:
    one = _type_of(branch.selection)
    return list[one] if branch.hop.many else one | None


def _set(kind: Any) -> Any:
    """Return the type without `UNSET`, which no column holds."""
    if get_origin(kind) not in (Union, UnionType):
        return kind
    return Union[tuple(part for part in get_args(kind) if part is not UnsetType)]  # noqa: UP007, how many is not known
