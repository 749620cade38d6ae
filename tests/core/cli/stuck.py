"""`holdfast api` with another application behind it, whose requests never let the loop turn again."""

import ctypes
import os
import sys
from typing import Any

from core.cli.serve import address, listen, serve, stop_on
from core.shutdown import ENDINGS

MARGIN_SECONDS = 1.0
MUTEX, LIBC = ctypes.create_string_buffer(64), ctypes.PyDLL(None)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """`/python` is stuck in Python, `/c` in C, with the interpreter's lock held."""
    if scope["type"] == "lifespan":
        for _ in ("startup", "shutdown"):
            await send({"type": f"{(await receive())['type']}.complete"})
        return
    # One write: print() may send text and line break apart.
    os.write(1, f"stuck {os.getpid()}\n".encode())
    for _ in range(2 if scope["path"] == "/c" else 0):
        LIBC.pthread_mutex_lock(MUTEX)
    while scope["path"] == "/python":
        pass


def create_app() -> Any:
    """Return the application."""
    return app


if __name__ == "__main__":
    stop_on(*ENDINGS)
    listener = listen("127.0.0.1", 0)
    os.write(1, f"{address(listener)}\n".encode())
    name = f"{__spec__.name}:create_app"
    serve(
        listener,
        workers=int(sys.argv[1]),
        grace_seconds=0,
        margin_seconds=MARGIN_SECONDS,
        stuck_seconds=float(sys.argv[2]),
        application=name,
    )
