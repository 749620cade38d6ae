"""Puts the API together; `uvicorn api.app:create_app --factory` serves it."""

from importlib.metadata import version
from typing import Any

from litestar import Litestar
from litestar.enums import ScopeType

from core.app import Application
from core.config import Config
from core.logging import configure_logging

from .body import JsonBody
from .deps import dependencies
from .door import pass_through
from .guards import admission
from .health import health, ready
from .metrics import metrics
from .openapi import openapi_config
from .problem import HANDLERS
from .store import store

MAX_BODY_BYTES = 64 * 1024


class Api(Litestar):
    """Litestar behind the door, so that also what no route answers has a request id and a log line."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, or the life span of the process."""
        if scope["type"] == ScopeType.HTTP:
            await pass_through(super().__call__, scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(application: Application | None = None) -> Litestar:
    """Return the API of `application`, which the caller opens and closes.

    Without one it is the API of a process of its own: configured from `holdfast.toml` and the environment, opened
    and closed with the server, and its logs are JSON.
    """
    if application is not None:
        return _api(application, owned=False)
    configure_logging()
    return _api(Application.load(Config.load()), owned=True)


def _api(application: Application, *, owned: bool) -> Litestar:
    return Api(
        [health, ready, metrics, store],
        dependencies={**dependencies(application)},
        dto=JsonBody,
        return_dto=None,
        before_request=admission(application),
        exception_handlers=HANDLERS,
        logging_config=None,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=openapi_config(application.config.shop.name, version("holdfast")),
        lifespan=[lambda _: application.running()] if owned else [],
    )
