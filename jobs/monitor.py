"""What a worker or a scheduler answers over HTTP: `/health`, and `/metrics` for Prometheus."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial

from core.app import Application
from core.metrics import CONTENT_TYPE, may_see_metrics, render_metrics

PATIENCE_SECONDS = 5

Answer = tuple[str, str, bytes]

OK: Answer = ("200 OK", "application/json", b'{"status":"ok"}')
LATE: Answer = ("503 Service Unavailable", "application/json", b'{"status":"late"}')
NOT_FOUND: Answer = ("404 Not Found", "text/plain", b"not found\n")


@asynccontextmanager
async def monitored(
    app: Application, listener: socket.socket, *, is_well: Callable[[], bool] = lambda: True
) -> AsyncGenerator[None]:
    """Answer on a socket, which other processes may share, for the length of a block; `is_well` is for `/health`."""
    server = await asyncio.start_server(partial(_serve, app, is_well), sock=listener)
    try:
        yield
    finally:
        server.close()


async def _serve(
    app: Application, is_well: Callable[[], bool], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            host, *_ = writer.get_extra_info("peername") or [""]  # who has gone already has none
            status, kind, body = await _answer(app, is_well, head, host)
            said = (
                f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(said.encode() if head.startswith("HEAD ") else said.encode() + body)
            await writer.drain()
    except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
        return  # whoever asked has gone, or asked nonsense
    finally:
        writer.close()


async def _answer(app: Application, is_well: Callable[[], bool], head: str, host: str) -> Answer:
    request, *lines = head.split("\r\n")
    headers = [line.partition(":")[0].lower() for line in lines]
    method, _, target = request.partition(" ")
    path = target.partition(" ")[0].partition("?")[0]
    if method not in ("GET", "HEAD"):
        return NOT_FOUND
    if path == "/health":
        return OK if is_well() else LATE
    if path == "/metrics" and may_see_metrics(app.config.http.metrics, host, headers):
        return "200 OK", CONTENT_TYPE, render_metrics(await app.workflows.gauges.read())
    return NOT_FOUND
