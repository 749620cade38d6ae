"""What every request passes, also one that no route answers: its id, its log line, HEAD, the length of its query."""

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, cast

import structlog
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from core.ids import new_id

MAX_QUERY_BYTES = 8192
HEADER = b"x-request-id"
_SANE = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))

log = structlog.get_logger("holdfast.api")


def request_id(scope: Mapping[str, Any]) -> str:
    """Return the id of a request that came through the door."""
    return scope["state"]["request_id"]


async def pass_through(app: ASGIApp, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """Let one request through to the whole application, router included."""
    passage = Passage(scope, send)
    with bound_contextvars(request_id=passage.request_id):
        try:
            await app(cast("Scope", passage.scope), receive, passage.send)
        finally:
            passage.log()


class Passage:
    """One request on its way through."""

    def __init__(self, scope: Mapping[str, Any], send: Send) -> None:
        self._send = send
        self._began = time.perf_counter()
        self._status = 0
        self._method = scope["method"]
        self.request_id = _wanted_id(scope["headers"]) or new_id("req")
        state = {**scope.get("state", {}), "request_id": self.request_id}
        # Copies: the server keeps the scope, and the state it began with, for itself.
        self.scope = {**scope, "state": state, "method": "GET" if self._method == "HEAD" else self._method}

    async def send(self, message: Message) -> None:
        """Add the headers; leave out the body of an answer to HEAD."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = map(_with_head, message["headers"]) if self._status in (204, 405) else message["headers"]
            message["headers"] = [*headers, (HEADER, self.request_id.encode()), *_HEADERS]
        elif message["type"] == "http.response.body" and self._method == "HEAD":
            message["body"] = b""
        await self._send(message)

    def log(self) -> None:
        """Write the one line of this request; the path is the route's template, so no id or token is in it."""
        log.info(
            "request",
            method=self._method,
            path=self.scope.get("path_template", "-"),
            status=self._status,
            ms=round((time.perf_counter() - self._began) * 1000, 2),
        )


def _with_head(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """Add to `Allow` the method that is answered here, and not by the framework."""
    name, value = header
    return name, value.replace(b"GET", b"GET, HEAD") if name == b"allow" else value


def _wanted_id(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == HEADER and _SANE.fullmatch(value):
            return value.decode()
    return None
