"""A wire to PostgreSQL that can be cut at a COMMIT: the client's loss of a connection, made on purpose."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from enum import Enum

from sqlalchemy import make_url

CHUNK = 1 << 16
COMMIT = b"COMMIT\0"


class Spoil(Enum):
    PASS = "pass"
    CUT_BEFORE = "the server never hears of it"
    CUT_AFTER = "the server has committed, and the client never hears of it"
    HOLD = "the client is cut off, and the server hears of it when `release` is called"


class Proxy:
    """Forwards everything; `spoils` says what happens to the next COMMITs, in order."""

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self._released = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self._stalled: set[asyncio.Task[None]] = set()
        self.url = ""
        self.spoils: list[Spoil] = []
        self.away = False
        """While true, every new connection is refused."""

    def release(self) -> None:
        """Let the server hear of the COMMIT that is held."""
        self._released.set()

    def cut(self) -> None:
        """Cut every connection."""
        for task in self._connections:
            task.cancel()

    def stall(self) -> None:
        """Let nothing more that is sent on the present connections arrive, without a word to who sends it."""
        self._stalled |= self._connections

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Proxy"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = self._target.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        try:
            yield self
        finally:
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        if self.away:
            writer.close()
            return
        server = await asyncio.open_connection(self._target.host, self._target.port)
        try:
            with suppress(ConnectionResetError):
                await self._forward((reader, writer), server)
        finally:
            writer.close()
            server[1].close()

    async def _forward(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        answers = asyncio.create_task(pump(server[0], client[1]))
        try:
            while chunk := await client[0].read(CHUNK):
                if asyncio.current_task() in self._stalled:
                    continue
                if COMMIT in chunk and self._next_spoil() is not Spoil.PASS:
                    await self._spoil(self.spoils.pop(0), chunk, client[1], server, answers)
                    return
                server[1].write(chunk)
        finally:
            answers.cancel()

    def _next_spoil(self) -> Spoil:
        if self.spoils and self.spoils[0] is Spoil.PASS:
            return self.spoils.pop(0)
        return self.spoils[0] if self.spoils else Spoil.PASS

    async def _spoil(
        self,
        spoil: Spoil,
        chunk: bytes,
        client: asyncio.StreamWriter,
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        answers: "asyncio.Task[None]",
    ) -> None:
        answers.cancel()
        with suppress(asyncio.CancelledError):
            await answers
        if spoil is Spoil.CUT_BEFORE:
            return
        if spoil is Spoil.HOLD:
            client.close()
            await self._released.wait()
        server[1].write(chunk)
        await server[0].read(CHUNK)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Forward until the other side closes."""
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
    writer.close()
