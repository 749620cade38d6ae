"""Two networks that reach PostgreSQL and Redis through this machine alone, where the system allows to make them."""

import os
import shutil
import socket
import subprocess
import threading
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any

import pytest
from sqlalchemy import make_url

CHUNK = 1 << 16


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _refusal() -> str:
    """Why there can be no namespaces here; empty if there can."""
    if shutil.which("ip") is None:
        return "there is no `ip` command"
    name = f"hf{os.getpid()}probe"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no network namespaces here: {tried.stderr.strip()}"
    made = subprocess.run(
        ["ip", "link", "add", f"{name[:10]}v", "type", "veth", "peer", "name", f"{name[:10]}w", "netns", name],
        capture_output=True,
        text=True,
        check=False,
    )
    _ip("netns", "delete", name)
    return f"no pairs of interfaces here: {made.stderr.strip()}" if made.returncode else ""


REFUSAL = _refusal()
unavailable = pytest.mark.skipif(bool(REFUSAL), reason=REFUSAL)


class Namespaces:
    """Gives, for each of two hosts, what `Host` wants to be told: a `with` block."""

    def __init__(self, url: str, redis_url: str) -> None:
        self._urls = {"url": url, "redis_url": redis_url}
        self._stack = ExitStack()

    def __enter__(self) -> list[dict[str, Any]]:
        return [self._make(number) for number in range(2)]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def _make(self, number: int) -> dict[str, Any]:
        """Make one network, with an address of ours and one of the host's in it."""
        name = f"hf{os.getpid()}{number}"
        subnet = f"10.{200 + os.getpid() % 50}.{number}"
        ours, its = f"{subnet}.1", f"{subnet}.2"
        _ip("netns", "add", name)
        self._stack.callback(_ip, "netns", "delete", name)
        _ip("link", "add", f"{name}a", "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("address", "add", f"{ours}/24", "dev", f"{name}a")
        _ip("link", "set", f"{name}a", "up")
        _ip("-n", name, "address", "add", f"{its}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", name, "link", "set", device, "up")
        urls = {what: self._through(ours, url) for what, url in self._urls.items()}
        return {**urls, "address": its, "inside": ["ip", "netns", "exec", name]}

    def _through(self, address: str, url: str) -> str:
        """Return the URL under which a server of the loopback interface is reached on another address."""
        parsed = make_url(url)
        relay = Relay(address, (str(parsed.host), parsed.port or 0))
        self._stack.callback(relay.close)
        return parsed.set(host=address, port=relay.port).render_as_string(hide_password=False)


class Relay:
    """Forwards what comes in on an address."""

    def __init__(self, address: str, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server((address, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no new connection."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_exchange, args=(client, server), daemon=True).start()


def _exchange(client: socket.socket, server: socket.socket) -> None:
    with client, server:
        back = threading.Thread(target=_copy, args=(server, client), daemon=True)
        back.start()
        _copy(client, server)
        back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
