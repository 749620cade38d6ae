"""What the sessions and the sockets of a pool are limited to."""

import socket
from typing import Any

from core.config import Config, Database
from core.db import create_engine


async def test_what_is_sent_and_never_acknowledged_ends_the_connection_after_a_while(core_database_url: str):
    engine = create_engine(Config(database=Database(url=core_database_url)))
    async with engine.connect() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        with socket.fromfd(raw.fileno(), socket.AF_INET, socket.SOCK_STREAM) as wire:
            assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 15000
    await engine.dispose()
