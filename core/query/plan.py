"""Plans: a statement is compiled once for every shape of query; what differs travels as parameters."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, LiteralString, cast

import msgspec
from sqlalchemy import BindParameter
from sqlalchemy.dialects.postgresql import psycopg

from ..errors import InvalidData
from . import filters, order
from .filters import Part
from .limits import MOST_VALUES, check_number, shown
from .registry import Node, Registry
from .request import Request
from .rows import decoder
from .selection import Selection, select
from .statement import SKIP, Builder, Window

DIALECT = psycopg.dialect()
MOST_PLANS = 500


class Plan(msgspec.Struct, frozen=True, eq=False):
    """A statement, and what its rows are decoded with."""

    sql: LiteralString
    names: Sequence[str]
    """The parameters of the filters' values, from left to right."""
    processors: Sequence[Callable[[Any], Any] | None]
    decoder: msgspec.json.Decoder[list[Any]]

    def parameters(self, values: Sequence[BindParameter[Any]], skip: int) -> dict[str, Any]:
        """Return the parameters of the statement."""
        found: dict[str, Any] = {SKIP: skip} if skip else {}
        for name, process, bind in zip(self.names, self.processors, values, strict=True):
            found[name] = bind.value if process is None else process(bind.value)
        return found


class Plans:
    """Makes plans, and keeps those used last."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._kept: OrderedDict[Hashable, Plan] = OrderedDict()

    def prepare(self, node: Node, request: Request) -> tuple[Plan, dict[str, Any]]:
        """Return the plan of a request and its parameters; raise `InvalidData` for whatever does not fit."""
        tree = filters.read(self._registry, node, request.filters)
        values = list(filters.binds(tree))
        check_number("values", len(values), MOST_VALUES)
        key = (node.name, request.shape(), filters.shape(tree))
        plan = self._kept.pop(key, None) or self._make(node, request, tree)
        self._kept[key] = plan
        if len(self._kept) > MOST_PLANS:
            self._kept.popitem(last=False)
        return plan, plan.parameters(values, request.skip)

    def _make(self, node: Node, request: Request, tree: Part) -> Plan:
        selection = select(self._registry, node, request.fields, request.select)
        windows = self._windows(selection, request)
        builder = Builder(self._registry, windows, with_deleted=request.with_deleted, exact=request.exact)
        window = Window(order.read(self._registry, node, request.order), request.take, skip=request.skip > 0)
        statement = builder.statement(selection, tree, window, count=request.count)
        compiled = statement.compile(dialect=DIALECT)
        return Plan(
            cast("LiteralString", str(compiled)),  # identifiers come from the registry, values are parameters
            [compiled.bind_names[bind] for bind in builder.bound],
            [bind.type.dialect_impl(DIALECT).bind_processor(DIALECT) for bind in builder.bound],
            decoder(selection),
        )

    def _windows(self, selection: Selection, request: Request) -> dict[str, Window]:
        """Return the windows of all lists in a selection, by path."""
        branches = {branch.path: branch for branch in selection.walk() if branch.hop.many}
        windows = {
            path: Window(order.read(self._registry, branch.selection.node, None)) for path, branch in branches.items()
        }
        for path, nested in request.nested.items():
            if path not in branches:
                raise InvalidData(f"{shown(path)} is no list in this graph", field=path[:200])
            terms = order.read(self._registry, branches[path].selection.node, nested.order)
            windows[path] = Window(terms, nested.take)
        return windows
