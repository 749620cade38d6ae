"""Several calls at once."""

from typing import Any, TypeVar, overload

from ..errors import ConfigurationError
from .call import Call
from .definition import ChildCall
from .step import StepCall

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
T = TypeVar("T")


class ParallelCall(Call[tuple[Any, ...]]):
    """Branches that run at the same time, each in a transaction of its own."""

    nested = "."

    def __init__(self, calls: tuple[Call[Any], ...]) -> None:
        self.branches = [_branch(call) for call in calls]
        super().__init__("parallel", [branch.name for branch in self.branches])


def _branch(call: Call[Any]) -> StepCall[Any] | ChildCall[Any]:
    call.take()
    if isinstance(call, StepCall | ChildCall):
        return call
    raise ConfigurationError(f"a branch of a parallel is a step or a child workflow, not {call.name}")


@overload
def parallel(a: Call[A], b: Call[B], /) -> Call[tuple[A, B]]: ...
@overload
def parallel(a: Call[A], b: Call[B], c: Call[C], /) -> Call[tuple[A, B, C]]: ...
@overload
def parallel(a: Call[A], b: Call[B], c: Call[C], d: Call[D], /) -> Call[tuple[A, B, C, D]]: ...
@overload
def parallel(*calls: Call[T]) -> Call[tuple[T, ...]]: ...
def parallel(*calls: Call[Any]) -> Call[tuple[Any, ...]]:
    """Run steps and children at the same time; the results come in the order of the calls.

    Raises the failure with the lowest path, the others are its `siblings`; what had not begun by then does not begin.
    """
    return ParallelCall(calls)
