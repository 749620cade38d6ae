"""What handlers are given."""

from collections.abc import AsyncGenerator
from typing import Any

from litestar import Request
from litestar.di import Provide

from core.app import Application
from core.container import Scope

from .credentials import GUEST
from .door import request_id


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
