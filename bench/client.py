"""A client that costs next to nothing: keep-alive HTTP/1.1 straight on the transport."""

import asyncio
import time
from collections.abc import Iterator
from statistics import median
from typing import cast

from msgspec import Struct

END = b"\r\n\r\n"
LENGTH = b"content-length:"


class Load(Struct, frozen=True):
    """What came of asking for a while."""

    rate: float
    """Answers a second."""
    milliseconds: float
    """The median time of an answer."""


class Connection(asyncio.Protocol):
    """One connection, one request at a time; answers need a Content-Length."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """Connect to a port of this machine."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; return the status and the body of the answer."""
        if self._transport is None:
            raise ConnectionError("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request under way."""
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Collect until the answer is whole."""
        self._received = self._received + data if self._received else data
        end = self._received.find(END)
        if end < 0 or self._answer is None or self._answer.done():
            return
        head = self._received[:end].lower()
        at = head.index(LENGTH) + len(LENGTH)
        length = int(head[at:].partition(b"\r")[0])
        if len(self._received) >= end + len(END) + length:
            body = self._received[end + len(END) :]
            self._received = b""
            self._answer.set_result((int(head[9:12]), body))

    def close(self) -> None:
        """Disconnect."""
        if self._transport is not None:
            self._transport.close()


def get(path: str) -> bytes:
    """Return a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    """Return a POST request with a JSON body."""
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


async def load(port: int, requests: Iterator[bytes], *, connections: int, seconds: float, expect: int = 200) -> Load:
    """Ask on some connections at once for some seconds; any other answer than `expect` ends the benchmark."""
    opened = [await Connection.open(port) for _ in range(connections)]
    began = time.perf_counter()

    async def keep_asking(connection: Connection) -> list[float]:
        times: list[float] = []
        at = time.perf_counter()
        while at < began + seconds:
            status, body = await connection.ask(next(requests))
            if status != expect:
                raise ValueError(f"status {status} instead of {expect}: {body[:300]!r}")
            times.append(-at + (at := time.perf_counter()))
        return times

    times = [each for asked in await asyncio.gather(*map(keep_asking, opened)) for each in asked]
    took = time.perf_counter() - began
    for connection in opened:
        connection.close()
    return Load(len(times) / took, median(times) * 1000)
