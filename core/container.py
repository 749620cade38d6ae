"""The container: typed, lazy, overridable; a scope is one request, job or step."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncEngine

from .clock import Clock
from .config import Config
from .db import Session, Transaction
from .errors import ConfigurationError
from .query import Query

T = TypeVar("T")
Factory = Callable[["Scope"], Any]
CleanUp = Callable[[Any], Coroutine[Any, Any, None]]


class Container:
    """What an application can resolve: a class is the key, a factory makes one instance per scope."""

    def __init__(self, config: Config, engine: AsyncEngine, clock: Clock) -> None:
        self.config = config
        self.engine = engine
        self.clock = clock
        self._factories: dict[type[Any], tuple[Factory, CleanUp | None]] = {}

    def register(self, key: type[T], factory: Callable[["Scope"], T], *, clean_up: CleanUp | None = None) -> None:
        """Let scopes resolve `key`; raises `ConfigurationError` if it is taken."""
        if key in self._factories:
            raise ConfigurationError(f"{key.__qualname__} is registered twice")
        self._factories[key] = (factory, clean_up)

    def override(self, key: type[T], factory: Callable[["Scope"], T]) -> None:
        """Replace what `key` resolves to, e.g. `override(BookingService, FakeBookingService)`."""
        self._factories[key] = (factory, None)

    def factory(self, key: type[Any]) -> tuple[Factory, CleanUp | None]:
        """Return how to make `key`; raises `ConfigurationError` if nobody registered it."""
        try:
            return self._factories[key]
        except KeyError:
            raise ConfigurationError(f"nothing registered for {key.__qualname__}") from None

    @asynccontextmanager
    async def scope(
        self, *, session: Session | None = None, context: Mapping[str, str] | None = None
    ) -> AsyncGenerator["Scope"]:
        """Open a scope; its instances are cleaned up in reverse order of their making."""
        scope = Scope(self, session or Session(self.engine), context or {})
        try:
            yield scope
        finally:
            await scope.close()


class Outlet(ABC):
    """Where events go that are emitted outside of runs."""

    @abstractmethod
    async def emit(self, transaction: Transaction, context: Mapping[str, str], name: str, data: object) -> str:
        """Write an event in a transaction; returns its id."""


class Scope:
    """One unit of work: resolves services, and has at most one transaction open."""

    def __init__(self, container: Container, session: Session, context: Mapping[str, str]) -> None:
        self.container = container
        self.session = session
        self.context = context
        """Who asks, the request id, the locale: stored with every run that starts here."""
        self.replayed = False
        """Whether the last workflow run from here answered from an earlier run with the same key."""
        self.key_prefix = ""
        """In an external step its token: workflows that it runs are keyed by it, so that a repetition finds them."""
        self.subject: str | None = None
        """In a step the person whom its run is about: so are the runs that it starts, if nobody says otherwise."""
        self.emitter: Callable[[str, object], str] | None = None
        """In a step: takes its events, which go out when the run ends well, and returns their ids."""
        self._runs = 0
        self._instances: dict[type[Any], Any] = {}
        self._clean_ups = AsyncExitStack()

    @property
    def clock(self) -> Clock:
        """PostgreSQL's time."""
        return self.container.clock

    @property
    def config(self) -> Config:
        """The application's configuration."""
        return self.container.config

    def resolve(self, key: type[T]) -> T:
        """Return this scope's instance of `key`, made at the first call."""
        if key not in self._instances:
            factory, clean_up = self.container.factory(key)
            self._instances[key] = factory(self)
            if clean_up is not None:
                self._clean_ups.push_async_callback(clean_up, self._instances[key])
        return cast("T", self._instances[key])

    def key_of_run(self, key: str | None) -> str | None:
        """Return the idempotency key of a run that starts here: in an external step its number stands in for one."""
        if not self.key_prefix:
            return key
        self._runs += 1
        return f"{self.key_prefix}/{self._runs}" if key is None else f"{self.key_prefix}/key:{key}"

    @property
    def query(self) -> Query:
        """Graph queries over all modules and links."""
        return self.resolve(Query)

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction that commits at the end of the block, or join the open one."""
        return self.session.transaction()

    async def emit(self, name: str, data: object) -> str:
        """Emit an event in the open transaction, which it shares its fate with; returns its id.

        In a step it is `ctx.emit`: the event goes out when the run ends well. Raises `NoTransaction`,
        `UnstorableResult`.
        """
        if self.emitter is not None:
            return self.emitter(name, data)
        return await self.resolve(Outlet).emit(self.session.writable("emit"), self.context, name, data)

    async def close(self) -> None:
        """Clean up in reverse order; one that fails does not keep the others from it."""
        await self._clean_ups.aclose()
