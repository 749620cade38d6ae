"""A workflow as the engine sees it."""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import cached_property
from inspect import iscoroutinefunction, signature
from typing import Any, Generic, TypeVar, get_type_hints

from ..errors import ConfigurationError, InvalidData
from .call import Call
from .codec import decode
from .errors import UnstorableResult
from .secret import check_no_secrets
from .step import return_type

D = TypeVar("D")
R = TypeVar("R")

WEEK = timedelta(days=7)
KEYED_RETENTION = timedelta(hours=24)


class Definition(Generic[D, R]):
    """Id, version and body of a workflow, how long a run may take and how long a finished one is kept."""

    event: str | None = None
    """The event to which it is subscribed."""

    def __init__(
        self,
        id: str,
        body: Callable[[D], Coroutine[Any, Any, R]],
        *,
        version: int,
        retention: timedelta,
        timeout: timedelta | None = None,
        record_inputs: bool = False,
    ) -> None:
        self.id = id
        self.body = body
        self.version = version
        self.retention = retention
        self.timeout = timeout
        self.record_inputs = record_inputs
        self.__doc__ = body.__doc__
        check_no_secrets(body, f"workflow {id}")

    @property
    def is_delivery(self) -> bool:
        """Whether each run takes an event, whose id is its key, to a subscriber."""
        return self.id.startswith("on:")

    def __call__(self, data: D, /) -> Call[R]:
        """Call this workflow as a child, in the run and the journal of the workflow that awaits it."""
        return ChildCall(self, data)

    @cached_property
    def types(self) -> tuple[Any, Any]:
        """The types of the argument and of the result, from the annotations."""
        result = return_type(self.body, f"workflow {self.id}")
        parameters = list(signature(self.body).parameters)
        hints = get_type_hints(self.body)
        if len(parameters) != 1 or parameters[0] not in hints:
            raise ConfigurationError(f"workflow {self.id} takes exactly one annotated argument")
        return hints[parameters[0]], result

    def kept_for(self, *, keyed: bool) -> timedelta:
        """How long a finished run stays: a keyed one at least 24 hours, so that its key is remembered."""
        return max(self.retention, KEYED_RETENTION) if keyed else self.retention


def check_handler(what: str, id: str, body: object) -> None:
    """Raise `ConfigurationError` if `body` cannot be that of a job or subscriber with this id."""
    if not id or not id.isprintable() or ":" in id:
        raise ConfigurationError(f"the id of a {what} is printable text without colons, not {id!r}")
    if not iscoroutinefunction(body):
        raise ConfigurationError(f"{what} {id} is an `async def`")


class ChildCall(Call[R]):
    """A workflow called in the body of another one."""

    nested = "."

    def __init__(self, definition: Definition[Any, R], data: object) -> None:
        super().__init__(f"workflow {definition.id}", data)
        self.definition = definition

    def check(self) -> None:
        """Raise what is wrong with the input."""
        self.argument()

    def argument(self) -> Any:
        """Return a fresh copy of the argument; `InvalidData` if it cannot be stored or has another type."""
        try:
            return decode(self.given, self.definition.types[0], f"the input of {self.name}")
        except UnstorableResult as error:
            raise InvalidData(error.detail) from error
