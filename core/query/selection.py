"""Selection: which fields of which entities a graph holds, from paths or from a Struct."""

from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from ..errors import ConfigurationError, InvalidData
from ..repository.fields import Field
from .limits import MOST_RELATIONS, check_depth, check_number, unknown
from .registry import Hop, Node, Registry

Shape = type[msgspec.Struct]


class Member(msgspec.Struct, frozen=True, eq=False):
    """A column to show, under its key in JSON."""

    key: str
    field: Field


class Branch(msgspec.Struct, frozen=True, eq=False):
    """Related rows to show, under their key in JSON."""

    key: str
    hop: Hop
    path: str
    """From the root of the graph on."""
    selection: "Selection"


class Selection(msgspec.Struct, frozen=True, eq=False):
    """What is shown of one entity, and the Struct that it is shown as, if any."""

    node: Node
    members: Sequence[Member]
    branches: Sequence[Branch]
    struct: Shape | None

    def branch(self, path: str) -> "Branch | None":
        """Return the branch at a path."""
        head, _, rest = path.partition(".")
        for branch in self.branches:
            if branch.hop.name == head:
                return branch.selection.branch(rest) if rest else branch
        return None

    def walk(self) -> Iterator["Branch"]:
        """Yield all branches below."""
        for branch in self.branches:
            yield branch
            yield from branch.selection.walk()


def select(registry: Registry, node: Node, paths: Sequence[str] | None, struct: Shape | None) -> Selection:
    """Return what the paths name, of `struct` where there is one; raise `InvalidData`, naming a path that is wrong."""
    if paths is None and struct is None:
        paths = ["*"]
    for path in paths or ():
        check_depth(path)
    selection = _Chooser(registry).choose(node, struct, paths, "")
    check_number("relations", sum(1 for _ in selection.walk()), MOST_RELATIONS)
    return selection


class _Offer(msgspec.Struct, frozen=True):
    """What can be chosen at one entity: keys of columns, keys and Structs of relations."""

    columns: dict[str, str]
    relations: dict[str, tuple[str, Shape | None]]


class _Chooser:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def choose(self, node: Node, struct: Shape | None, paths: Sequence[str] | None, at: str) -> Selection:
        """Choose from one entity; no paths: all that the Struct has."""
        offer = _offer(node, struct)
        if paths is None:
            paths = [*offer.columns, *offer.relations]
        if not paths:
            raise InvalidData("there has to be a field to answer", field=at or "fields")
        columns, relations = _sort(node, offer, paths, at)
        if struct is not None:
            _check_left_out(struct, {*columns, *relations})
        members = [Member(offer.columns[name], node.fields[name]) for name in columns]
        branches = [self._branch(node.hops[name], offer, deeper, at) for name, deeper in relations.items()]
        return Selection(node, members, branches, struct)

    def _branch(self, hop: Hop, offer: _Offer, paths: list[str], at: str) -> Branch:
        path = f"{at}{hop.name}"
        check_depth(f"{path}.")
        key, struct = offer.relations[hop.name]
        whole = "" in paths
        deeper = None if whole and struct else [one or "*" for one in paths]
        return Branch(key, hop, path, self.choose(self._registry[hop.target], struct, deeper, f"{path}."))


def _sort(node: Node, offer: _Offer, paths: Sequence[str], at: str) -> tuple[list[str], dict[str, list[str]]]:
    """Return the columns in the order they are asked for, and the relations with what is asked for of each."""
    columns: dict[str, None] = {}
    relations: dict[str, list[str]] = {}
    for path in paths:
        head, dot, rest = path.partition(".")
        if path == "*":
            columns |= dict.fromkeys(offer.columns)
        elif head in offer.columns and not dot:
            columns[head] = None
        elif head in offer.relations and (rest or not dot):
            relations.setdefault(head, []).append(rest)
        else:
            raise unknown(node.name, head, f"{at}{path}")
    return list(columns), relations


def _offer(node: Node, struct: Shape | None) -> _Offer:
    if struct is None:
        return _Offer({name: name for name in node.fields}, {name: (name, None) for name in node.hops})
    offer = _Offer({}, {})
    for field in msgspec.structs.fields(struct):
        if field.name in node.fields:
            offer.columns[field.name] = field.encode_name
        elif field.name in node.hops:
            nested = _struct_in(field.type)
            if nested is None:
                raise ConfigurationError(f"{struct.__qualname__}.{field.name} has to be a Struct or a list of one")
            offer.relations[field.name] = (field.encode_name, nested)
        else:
            raise unknown(node.name, field.name, field.name)
    return offer


def _struct_in(kind: Any) -> Shape | None:
    """Return the Struct in `X`, `X | None`, `list[X]` and the like."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    if get_origin(kind) in (Union, UnionType, Annotated, list):
        return next(filter(None, map(_struct_in, get_args(kind))), None)
    return None


def _check_left_out(struct: Shape, chosen: set[str]) -> None:
    for field in msgspec.structs.fields(struct):
        if field.name not in chosen and field.required:
            raise ConfigurationError(f"{struct.__qualname__}.{field.name} needs a default to be left out")
