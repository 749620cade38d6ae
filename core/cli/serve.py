"""Serving HTTP: uvicorn on a socket of our own, so that a port in use is told before anything starts."""

import faulthandler
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
from ..shutdown import MARGIN_SECONDS, end_when_stuck, end_within
from .workers import KILL_MARGIN_SECONDS, STARTUP_FAILURE, Workers

APPLICATION = "api.app:create_app"


class PortInUse(HoldfastError):
    """Something else listens on this port."""

    code = "port_in_use"


class Server(uvicorn.Server):
    """Calls `ready` once it listens; has `patience` seconds to end once it is told to.

    `stuck`: see `end_when_stuck`.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], patience: float, stuck: float) -> None:
        super().__init__(config)
        self._ready = ready
        self._patience = patience
        self._stuck = stuck

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take note of a signal: called also amid a request that never awaits."""
        if not self.should_exit:  # else whoever asks again and again would put the end off
            end_within(self._patience)
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        await super().startup(sockets)
        if self.started:
            end_when_stuck(self._stuck, lambda: self.should_exit)
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
    listener: socket.socket,
    *,
    workers: int = 1,
    grace_seconds: float,
    margin_seconds: float = MARGIN_SECONDS,
    stuck_seconds: float = 0,
    ready: Callable[[], None] = lambda: None,
    application: str = APPLICATION,
) -> None:
    """Serve until SIGINT or SIGTERM; requests under way may end within `grace_seconds`, then runs within as many.

    A process that is still there `margin_seconds` later is ended, and one whose loop stands still for `stuck_seconds`.
    """
    patience = 2 * grace_seconds + margin_seconds
    config = uvicorn.Config(
        application,
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
        server = Server(config, ready, patience, stuck_seconds)
        try:
            server.run(sockets=[listener])
        finally:
            faulthandler.cancel_dump_traceback_later()  # what comes after it has its own time
        if not server.started:
            raise SystemExit(STARTUP_FAILURE)

    if workers > 1:
        import_module(application.partition(":")[0])
        with TemporaryDirectory(prefix="holdfast-metrics-") as folder:
            share_metrics(folder)
            several = Workers(work, workers, patience=patience + KILL_MARGIN_SECONDS, close=listener.close)
            raise SystemExit(several.run())
    work()


def stop_on(*numbers: signal.Signals) -> None:
    """End the process by `SystemExit`, that is with all its clean-ups, when one of these signals comes."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    for number in numbers:
        signal.signal(number, leave)
