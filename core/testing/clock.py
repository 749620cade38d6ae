"""The tests' hand on the clock: moves PostgreSQL's time as every process of an application sees it."""

import asyncio
import socket
from datetime import timedelta
from typing import LiteralString

from sqlalchemy.ext.asyncio import AsyncEngine

from ..app import Application
from ..db import Session, create_engine
from .application import config_on
from .processes import is_alive

PATIENCE_SECONDS = 10
POLL_SECONDS = 0.02

MOVE: LiteralString = """
INSERT INTO clock_offset (moved_by) VALUES (%(by)s)
ON CONFLICT (only_row) DO UPDATE SET moved_by = clock_offset.moved_by + excluded.moved_by
RETURNING moved_by"""

BEHIND: LiteralString = """
SELECT host, pid FROM workflow_process
WHERE clock_offset IS DISTINCT FROM (SELECT moved_by FROM clock_offset)"""


async def move_clock(where: Application | str, by: timedelta) -> None:
    """Move the clock of every process on a database, given by an open application or its URL.

    Moves add up. Returns when all living processes have seen it, which takes them a heartbeat, the given application
    none; raises `TimeoutError`.
    """
    if isinstance(where, Application):
        await _move(where.database, by)
        await where.heartbeat.beat()
        await asyncio.wait_for(_all_follow(Session(where.database)), PATIENCE_SECONDS)
        return
    engine = create_engine(config_on(where))
    try:
        await _move(engine, by)
        await asyncio.wait_for(_all_follow(Session(engine)), PATIENCE_SECONDS)
    finally:
        await engine.dispose()


async def _move(engine: AsyncEngine, by: timedelta) -> None:
    async with Session(engine).transaction() as transaction:
        await transaction.sql(MOVE, {"by": by})


async def _all_follow(session: Session) -> None:
    while any(_follows(host, pid) for host, pid in await session.sql(BEHIND)):  # noqa: ASYNC110, others' rows
        await asyncio.sleep(POLL_SECONDS)


def _follows(host: str, pid: int) -> bool:
    """Tell whether a process will follow: one of this machine that was killed never does."""
    return host != socket.gethostname() or is_alive(pid)
