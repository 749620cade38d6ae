"""What a read costs PostgreSQL, told in pages: the same on an idle machine and on a busy one."""

from collections.abc import Sequence

import psycopg

from core.app import Application
from modules.booking import BookingService, SlotQuery

from .recording import Recorder, Statement

EXPLAIN = b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "


async def availability_statements(application: Application, query: SlotQuery) -> list[Statement]:
    """Return what the slots of a query are read with; the application must be closed, so that it connects anew."""
    recorder = Recorder(application)
    async with application.running(), application.scope() as scope:
        recorder.listening = True
        await scope.resolve(BookingService).slots(query)
        recorder.listening = False
    return [statement for statement in recorder.statements if "workflow_process" not in statement.query]


def shared_buffers(url: str, statements: Sequence[Statement]) -> int:
    """Return how many shared buffers the statements touch, in the cache or not."""
    total = 0
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            row = connection.execute(EXPLAIN + statement.query.encode(), statement.params).fetchone()
            if row is None:
                raise LookupError("EXPLAIN said nothing")
            plan = row[0][0]["Plan"]
            total += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return total
