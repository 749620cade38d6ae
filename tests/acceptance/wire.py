"""Requests byte for byte, for what an HTTP client refuses to send."""

import asyncio
import socket
from contextlib import suppress
from email.parser import BytesHeaderParser
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct, json

from .slots import Document

PATIENCE_SECONDS = 10


class Reply(Struct, frozen=True):
    """The answer to a request, or status 0 where the server only closed the connection."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> tuple[int, str]:
        """Status and code of the problem document."""
        assert self.headers["content-type"] == "application/problem+json", self
        return self.status, self.json["code"]

    @property
    def json(self) -> Document:
        """The body."""
        return json.decode(self.body)


async def send(url: str, *parts: bytes) -> Reply:
    """Send these bytes, and nothing else, on one connection; read until the server closes it."""
    return await asyncio.to_thread(_send, urlsplit(url), parts)


def _send(address: SplitResult, parts: tuple[bytes, ...]) -> Reply:
    with socket.create_connection((address.hostname, address.port), PATIENCE_SECONDS) as connection:
        with suppress(ConnectionError):  # a server that has answered need not read on
            for part in parts:
                connection.sendall(part)
        found = b""
        with suppress(ConnectionError):
            while data := connection.recv(65_536):
                found += data
    head, _, body = found.partition(b"\r\n\r\n")
    return _parse(head, body)


def request(method: str, target: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    """Return a request that asks to close the connection."""
    lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: shop", b"Connection: close", *headers]
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def _parse(head: bytes, body: bytes) -> Reply:
    line, _, fields = head.partition(b"\r\n")
    if not line:
        return Reply(0, {}, b"")
    headers = {name.lower(): value for name, value in BytesHeaderParser().parsebytes(fields + b"\r\n").items()}
    return Reply(int(line.split()[1]), headers, body)
