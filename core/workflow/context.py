"""What a step is given."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import TypeVar

from msgspec import Raw

from ..container import Scope
from ..db import sqlstate
from ..errors import Busy, NoTransaction
from .codec import encode
from .journal import Emitted

T = TypeVar("T")

LOCK_NOT_AVAILABLE = "55P03"


class StepContext:
    """A step's own scope, on the step's transaction; never the caller's."""

    def __init__(self, scope: Scope, *, run_id: str, path: str, attempt: int) -> None:
        self.scope = scope
        self.run_id = run_id
        self.path = path
        self.attempt = attempt
        """1 at the first attempt."""
        self.emitted: list[Emitted] = []
        scope.emitter = self._emit_from_scope

    @property
    def token(self) -> str:
        """`run id:path`: the same at every attempt, for outside systems to recognise a repetition."""
        return f"{self.run_id}:{self.path}"

    @property
    def done_token(self) -> str:
        """In a compensation: the token that the step had which is being undone."""
        return self.token.removesuffix(":undo")

    @property
    def context(self) -> Mapping[str, str]:
        """Who asked, the request id, the locale: what `run(..., context=...)` stored with the run."""
        return self.scope.context

    def resolve(self, key: type[T]) -> T:
        """Return this step's instance of `key`."""
        return self.scope.resolve(key)

    def emit(self, name: str, data: object, *, at_once: bool = False) -> None:
        """Emit an event when the run ends well, or `at_once` when this step does; raises `UnstorableResult`.

        What a compensation emits goes out with it. A read step emits nothing: `NoTransaction`.
        """
        if self.scope.session.read_only:
            raise NoTransaction("a read step cannot emit: drop `read=True`")
        encode(name, f"the name of event {name!r}")
        self.emitted.append(Emitted(name, Raw(encode(data, f"event {name!r}")), len(self.emitted) + 1, at_once))

    def _emit_from_scope(self, name: str, data: object) -> str:
        self.emit(name, data)
        return f"{self.token}:{len(self.emitted)}"

    async def lock(self, *keys: str) -> None:
        """Take advisory locks on `keys`, in sorted order, until this step commits; `Busy` when not had in time."""
        transaction = self.scope.session.writable("ctx.lock")
        for number in sorted(_lock_number(key) for key in keys):
            try:
                await transaction.sql("SELECT pg_advisory_xact_lock(%s)", (number,))
            except Exception as error:
                if sqlstate(error) == LOCK_NOT_AVAILABLE:
                    raise Busy(f"lock {', '.join(keys)} is held by somebody else") from error
                raise


def _lock_number(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), signed=True)
