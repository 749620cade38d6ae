"""Hints on Redis, or Valkey: which runs are queued. One that is lost is no loss: the workers' sweep finds every run."""

import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from prometheus_client import Counter
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError
from redis.retry import Retry

from core.config import Config
from core.errors import ConfigurationError
from core.metrics import METRICS

ACTOR = "run_workflow"
NAMESPACE = "holdfast"
"""Before the names of all keys."""
TIMEOUT_SECONDS = 1
REST_SECONDS = 1
"""How long a Redis that has failed is left alone: callers must not queue for its time-outs."""
MOST_HINTS = 100_000
"""In a queue that nobody follows: some 40 MB. Workers could not even fetch from a Redis that is full."""
COUNT_SECONDS = 1
"""How often a process that sends hints looks how many there are."""

HINTS = Counter("holdfast_hints", "Hints to workers: sent, lost, followed or idle.", ["outcome"], registry=METRICS)


class DramatiqDispatcher:
    """Sends a hint for each queued run; without a Redis in the configuration all is left to the sweep."""

    def __init__(self, config: Config, *, most: int = MOST_HINTS, seconds: float = TIMEOUT_SECONDS) -> None:
        self._broker: Any = open_broker(config) if config.redis_url else None
        self._queue = config.jobs.queue
        self._most = most
        self._seconds = seconds
        self._room = 0
        """For how many hints there was room when they were last counted, less those sent since."""
        self._counts_at = 0.0
        self._rests_until = 0.0

    def dispatch(self, run_ids: Sequence[str]) -> None:
        """Send hints, for a second; raises `RedisError`, and loses them silently for a second after that.

        Those for which there is no time, or no room in the queue, are lost as well.
        """
        if self._broker is None:
            return
        sent, ends_at = 0, time.monotonic() + self._seconds
        try:
            for run_id in run_ids[: self._count_room()]:
                if time.monotonic() >= ends_at:
                    break
                self._broker.enqueue(hint(self._queue, run_id))
                sent += 1
        except RedisError:
            self._rests_until = time.monotonic() + REST_SECONDS
            raise
        finally:
            self._room -= sent
            HINTS.labels("sent").inc(sent)
            HINTS.labels("lost").inc(len(run_ids) - sent)

    def _count_room(self) -> int:
        now = time.monotonic()
        if now < self._rests_until:
            return 0
        if now >= self._counts_at:
            self._room = self._most - self._broker.client.llen(f"{NAMESPACE}:{self._queue}")
            self._counts_at = now + COUNT_SECONDS
        return max(0, self._room)

    def close(self) -> None:
        """Let go of the connections."""
        if self._broker is not None:
            self._broker.client.close()


def open_broker(config: Config) -> RedisBroker:
    """Return a broker on the configured Redis; connects when it is used. Raises `ConfigurationError`."""
    try:
        client = _client(config.redis_url)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"REDIS_URL: {error}") from error
    return RedisBroker(client=client, namespace=NAMESPACE, middleware=[])


def _client(url: str) -> Any:
    parts = urlsplit(url)
    database = unquote(parts.path).strip("/")
    if parts.scheme.startswith("redis") and not (database or "0").isdecimal():
        raise ValueError(f"{database!r} is no number of a database")  # the client would take another one without a word
    client: Any = redis.from_url(
        url,
        socket_connect_timeout=TIMEOUT_SECONDS,
        socket_timeout=TIMEOUT_SECONDS,
        # Once more, since connections of before a restart of Redis are dead; a time-out is long enough by itself.
        retry=Retry(NoBackoff(), 1, (Disconnected,)),
    )
    pool = client.connection_pool
    pool.connection_class(**pool.connection_kwargs)  # it does not connect, and knows what options there are
    return client


def hint(queue: str, run_id: str) -> Message[None]:
    """Return the message that says that a run is queued."""
    return Message(queue_name=queue, actor_name=ACTOR, args=(run_id,), kwargs={}, options={})
