"""`holdfast api` with another booking service: `python -m tests.acceptance.races.server api --port ... --workers ...`.

The class in `services.py` is named by `RACES_SERVICE`.
"""

import os
import socket
from argparse import ArgumentParser

import uvicorn
import uvloop

from api.app import create_app
from core.app import Application
from core.cli.serve import address, listen
from core.cli.workers import Workers
from core.config import Config
from core.logging import configure_logging
from modules.booking import BookingService

from . import services

PROGRAM = "tests.acceptance.races.server"
SERVICE = "RACES_SERVICE"


async def serve(listener: socket.socket) -> None:
    """Serve as one of the workers."""
    application = Application.load(Config.load())
    application.container.override(BookingService, getattr(services, os.environ[SERVICE]))
    async with application.running():
        config = uvicorn.Config(
            create_app(application), http="httptools", lifespan="off", log_config=None, access_log=False
        )
        await uvicorn.Server(config).serve(sockets=[listener])


def main() -> None:
    """Take the options of `holdfast api`."""
    parser = ArgumentParser()
    parser.add_argument("command", choices=["api"])
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    options = parser.parse_args()
    configure_logging()
    listener = listen(options.host, options.port)
    print(f"listening on {address(listener)}", flush=True)
    raise SystemExit(Workers(lambda: uvloop.run(serve(listener)), options.workers, patience=60).run())


if __name__ == "__main__":
    main()
