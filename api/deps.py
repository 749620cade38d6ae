"""What handlers are given."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from litestar import Request
from litestar.di import NamedDependency, Provide
from litestar.params import PathParameter

from core.app import Application
from core.container import Scope

from .credentials import GUEST
from .door import request_id

Container = NamedDependency[Scope]
BookingPath = Annotated[str, PathParameter(description="The booking's id, `book_...`.")]


def dependencies(application: Application) -> dict[str, Provide]:
    """Return the dependencies of every route.

    `container` is the request's scope: Litestar keeps the name `scope` to itself. One dependency a handler is cheap;
    with two, the framework starts a task for each.
    """

    async def container(request: Request[Any, Any, Any]) -> AsyncGenerator[Scope]:
        context = {"request_id": request_id(request.scope), "actor": GUEST}
        async with application.scope(context=context) as scope:
            yield scope

    def itself() -> Application:
        return application

    return {"application": Provide(itself, sync_to_thread=False), "container": Provide(container)}
