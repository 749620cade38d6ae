"""A lean HTTP client: the server, not the client, is to be busy."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple, Self

import msgspec

TOKEN = "X-Manage-Token"


class Answer(NamedTuple):
    """Status and body of an answer."""

    status: int
    body: dict[str, Any]


class Connection:
    """One connection that is kept alive; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def open(cls, port: int) -> AsyncGenerator[Self]:
        """Connect to a port of this machine for the length of a block."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()

    async def post(self, path: str, body: dict[str, Any], token: str | None = None) -> Answer:
        """POST to a path below the bookings, with a manage token or none."""
        content = msgspec.json.encode(body)
        head = f"POST /store/bookings{path} HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(content)}\r\n" + (f"{TOKEN}: {token}\r\n" if token else "")
        self._writer.write(head.encode() + b"\r\n" + content)
        status, *headers = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        [length] = [int(line.partition(":")[2]) for line in headers if line.startswith("content-length:")]
        return Answer(int(status.split()[1]), msgspec.json.decode(await self._reader.readexactly(length)))


class Pool:
    """Some connections, for whoever comes first."""

    def __init__(self, connections: list[Connection]) -> None:
        self._free: asyncio.Queue[Connection] = asyncio.Queue()
        self._collecting = asyncio.Lock()
        for connection in connections:
            self._free.put_nowait(connection)

    @classmethod
    @asynccontextmanager
    async def open(cls, port: int, count: int) -> AsyncGenerator[Self]:
        """Open `count` connections at once, so that all workers of a server get some."""
        async with AsyncExitStack() as stack:
            opened = [stack.enter_async_context(Connection.open(port)) for _ in range(count)]
            yield cls(await asyncio.gather(*opened))

    @asynccontextmanager
    async def take(self, count: int) -> AsyncGenerator[list[Connection]]:
        """Wait for so many free connections."""
        taken: list[Connection] = []
        async with self._collecting:  # else two who wait for their second one could wait for each other
            while len(taken) < count:
                taken.append(await self._free.get())
        try:
            yield taken
        finally:
            for connection in taken:
                self._free.put_nowait(connection)
