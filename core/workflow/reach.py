"""What the bodies of workflows can come to call, as far as it is imported."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, cast

from .definition import Definition
from .hook import Hook
from .step import AnyStep

Callee = AnyStep[..., Any, Any] | Hook[Any] | Definition[Any, Any]
_CALLEES = (AnyStep, Hook, Definition)
_BOXES = (list, tuple, set, frozenset)


def reachable(starts: Iterable[object]) -> list[Callee]:
    """Return the steps, hooks and workflows among `starts`, and those that they lead to.

    From a hook it goes on to its handlers, and from a workflow to what stands in the module of its body. From a body,
    and a function that it uses, to what the code names: globals, variables of an enclosing function, and attributes of
    modules and classes. Nothing is imported.
    """
    found: dict[int, object] = {}
    left = [*starts]
    while left:
        each = left.pop()
        if id(each) not in found and _leads_on(each):
            found[id(each)] = each
            left += _next(each)
    return [cast("Callee", each) for each in found.values() if isinstance(each, _CALLEES)]


def _leads_on(each: object) -> bool:
    return isinstance(each, (*_CALLEES, FunctionType))


def _next(each: object) -> Iterator[object]:
    if isinstance(each, Hook):
        yield from cast("Hook[Any]", each).handlers.values()
    elif isinstance(each, Definition):
        body = cast("Definition[Any, Any]", each).body
        module = sys.modules.get(body.__module__)
        yield from (near for near in (vars(module).values() if module else ()) if isinstance(near, _CALLEES))
        yield body
    elif isinstance(each, FunctionType) and str(each.__module__).partition(".")[0] not in sys.stdlib_module_names:
        yield from _named(each)


def _named(fn: FunctionType) -> Iterator[object]:
    """Yield what the code of a function names; what is bound later is not there yet."""
    names = _names(fn.__code__)
    left = [fn.__globals__[name] for name in names if name in fn.__globals__]
    for cell in cast("tuple[CellType, ...]", fn.__closure__ or ()):
        with suppress(ValueError):
            left.append(cell.cell_contents)
    seen: set[int] = set()
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, ModuleType | type):
            left += [vars(value)[name] for name in names if name in vars(value)]
        elif isinstance(value, _BOXES):
            yield from cast("Iterable[object]", value)
        elif isinstance(value, dict):
            yield from cast("dict[object, object]", value).values()
        elif isinstance(value, staticmethod | classmethod | MethodType):
            yield cast("MethodType", value).__func__
        else:
            yield value


def _names(code: CodeType) -> set[str]:
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return {*code.co_names}.union(*map(_names, inner))
