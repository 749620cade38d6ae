"""The floor of background work: Dramatiq as it comes, whose actor makes one INSERT; `dramatiq bench.bare_messages`."""

import os
import threading

import dramatiq
import psycopg
from dramatiq.brokers.redis import RedisBroker

from .kinds import INSERT

broker = RedisBroker(url=os.environ["REDIS_URL"], namespace="bare")
dramatiq.set_broker(broker)
_mine = threading.local()


@dramatiq.actor
def insert_row(id: str, n: int) -> None:
    """Insert a row on the thread's connection, in a transaction as a step has it."""
    if not hasattr(_mine, "connection"):
        _mine.connection = psycopg.connect(os.environ["DATABASE_URL"])
    connection: psycopg.Connection = _mine.connection
    with connection.transaction():
        connection.execute(INSERT, {"id": id, "n": n})
