"""Serving HTTP: uvicorn on a socket of our own, so that a port in use is told before anything starts."""

import os
import signal
import socket
from collections.abc import Callable
from importlib import import_module
from tempfile import TemporaryDirectory
from types import FrameType

import uvicorn

from ..errors import HoldfastError
from ..metrics import share_metrics
from .workers import STARTUP_FAILURE, Workers

APPLICATION = "api.app:create_app"


class PortInUse(HoldfastError):
    """Something else listens on this port."""

    code = "port_in_use"


class Server(uvicorn.Server):
    """Calls `ready` once it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        await super().startup(sockets)
        if self.started:
            self._ready()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to that address; raises `PortInUse`."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen()  # until then two could bind; whoever connects now waits until the shop is open
    except OSError as error:
        listener.close()
        raise PortInUse(f"cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}; try --port") from error
    return listener


def address(listener: socket.socket) -> str:
    """Return the URL of what listens there."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    listener: socket.socket, *, workers: int = 1, grace_seconds: float, ready: Callable[[], None] = lambda: None
) -> None:
    """Serve until SIGINT or SIGTERM; requests under way may end within `grace_seconds`."""
    config = uvicorn.Config(
        APPLICATION,
        factory=True,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(grace_seconds),
    )

    def work() -> None:
        server = Server(config, ready)
        server.run(sockets=[listener])
        if not server.started:
            raise SystemExit(STARTUP_FAILURE)

    if workers > 1:
        import_module(APPLICATION.partition(":")[0])
        with TemporaryDirectory(prefix="holdfast-metrics-") as folder:
            share_metrics(folder)
            raise SystemExit(Workers(work, workers, close=listener.close).run())
    work()


def stop_on(*numbers: signal.Signals) -> None:
    """End the process by `SystemExit`, that is with all its clean-ups, when one of these signals comes."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    for number in numbers:
        signal.signal(number, leave)
