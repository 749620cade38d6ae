"""Hints on Redis, or Valkey: which runs are queued. One that is lost is no loss: the workers' sweep finds every run."""

import time
from collections.abc import Sequence
from typing import Any

import redis
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from prometheus_client import Counter
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError
from redis.retry import Retry

from core.config import Config
from core.metrics import METRICS

ACTOR = "run_workflow"
NAMESPACE = "holdfast"
"""Before the names of all keys."""
TIMEOUT_SECONDS = 1
REST_SECONDS = 1
"""How long a Redis that has failed is left alone: callers must not queue for its time-outs."""

HINTS = Counter("holdfast_hints", "Hints to workers: sent, lost, followed or idle.", ["outcome"], registry=METRICS)


class DramatiqDispatcher:
    """Sends a hint for each queued run; without a Redis in the configuration all is left to the sweep."""

    def __init__(self, config: Config) -> None:
        self._broker: Any = open_broker(config) if config.redis_url else None
        self._queue = config.jobs.queue
        self._rests_until = 0.0

    def dispatch(self, run_ids: Sequence[str]) -> None:
        """Send hints, for a second at most; raises `RedisError`, and loses them silently for a second after that."""
        if self._broker is None:
            return
        sent = 0
        try:
            for run_id in run_ids if time.monotonic() >= self._rests_until else ():
                self._broker.enqueue(hint(self._queue, run_id))
                sent += 1
        except RedisError:
            self._rests_until = time.monotonic() + REST_SECONDS
            raise
        finally:
            HINTS.labels("sent").inc(sent)
            HINTS.labels("lost").inc(len(run_ids) - sent)

    def close(self) -> None:
        """Let go of the connections."""
        if self._broker is not None:
            self._broker.client.close()


def open_broker(config: Config) -> RedisBroker:
    """Return a broker on the configured Redis; connects when it is used."""
    client: Any = redis.from_url(
        config.redis_url,
        socket_connect_timeout=TIMEOUT_SECONDS,
        socket_timeout=TIMEOUT_SECONDS,
        # Once more, since connections of before a restart of Redis are dead; a time-out is long enough by itself.
        retry=Retry(NoBackoff(), 1, (Disconnected,)),
    )
    return RedisBroker(client=client, namespace=NAMESPACE, middleware=[])


def hint(queue: str, run_id: str) -> Message[None]:
    """Return the message that says that a run is queued."""
    return Message(queue_name=queue, actor_name=ACTOR, args=(run_id,), kwargs={}, options={})
