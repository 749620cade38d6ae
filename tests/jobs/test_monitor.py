"""`/health` and `/metrics` of a process that serves nothing else."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from core.app import Application
from core.config import Config, Database
from jobs.monitor import monitored

LINGER_NOT = struct.pack("ii", 1, 0)


@asynccontextmanager
async def monitored_at(url: str) -> AsyncGenerator[tuple[str, int]]:
    app = Application(Config(database=Database(url=url)), modules=[])
    listener = socket.create_server(("127.0.0.1", 0))
    async with app.running(sweeping=False), monitored(app, listener):
        yield listener.getsockname()


@pytest.fixture
async def address(core_database_url: str) -> AsyncGenerator[tuple[str, int]]:
    async with monitored_at(core_database_url) as address:
        yield address


async def ask(address: tuple[str, int], request: str) -> tuple[str, bytes]:
    """Return the status line and the body."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(f"{request} HTTP/1.1\r\nHost: shop\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return head.decode().split("\r\n")[0], body


@pytest.mark.parametrize("path", ["/health", "/health?from=probe", "/metrics", "/metrics?name=up"])
async def test_answers_with_a_query_and_without_and_to_head_without_a_body(address: tuple[str, int], path: str):
    status, body = await ask(address, f"GET {path}")
    assert status == "HTTP/1.1 200 OK"
    assert body
    assert await ask(address, f"HEAD {path}") == ("HTTP/1.1 200 OK", b"")


@pytest.mark.parametrize("request_line", ["POST /health", "GET /healthy", "GET /", "GET", ""])
async def test_knows_nothing_else(address: tuple[str, int], request_line: str):
    assert (await ask(address, request_line))[0] == "HTTP/1.1 404 Not Found"


async def tell_of_the_gone(url: str) -> list[dict[str, Any]]:
    """Return what the loop has to say of clients that have gone before they are heard."""
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: said.append(context))
    async with monitored_at(url) as address:
        for request in (b"GET /health HTTP/1.1\r\n\r\n", b"GET /metrics HTTP/1.1\r\n\r\n", b"GET"):
            for _ in range(20):
                with socket.create_connection(address) as client:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
                    client.send(request)
        assert (await ask(address, "GET /health"))[0] == "HTTP/1.1 200 OK"
    return said


def test_says_nothing_of_clients_that_have_gone(core_database_url: str):
    assert uvloop.run(tell_of_the_gone(core_database_url)) == []
