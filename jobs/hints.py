"""The threads of a worker process that take hints from Redis and have its loop follow them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from dramatiq import Actor, Worker
from redis.exceptions import RedisError

from core.config import Config

from .broker import ACTOR, HINTS, open_broker

PATIENCE_SECONDS = 10
"""A run that takes longer goes on without the thread, which is for the next hint: no run can block a queue."""
POLL_MILLISECONDS = 100
"""How often an idle process looks into its queues."""
STOP_MILLISECONDS = 3000
"""How long threads may take to end that hold nothing but a hint."""

log = structlog.get_logger("holdfast.worker")


class Hints:
    """Has `drive` called on the running loop for each run that a hint on these queues names."""

    def __init__(
        self, config: Config, drive: Callable[[str], Awaitable[bool]], *, queues: Sequence[str], threads: int
    ) -> None:
        self._drive = drive
        self._loop = asyncio.get_running_loop()
        self._broker = open_broker(config)
        for queue in queues:
            self._broker.declare_queue(queue)
        # No middleware: retries and time limits are the engine's business.
        Actor(self.follow, broker=self._broker, actor_name=ACTOR, queue_name=queues[0], priority=0, options={})
        self._worker = Worker(self._broker, queues={*queues}, worker_threads=threads, worker_timeout=POLL_MILLISECONDS)

    def start(self) -> None:
        """Begin to take hints, or to try: a Redis that is away is asked again every few seconds."""
        self._worker.start()

    def take_no_more(self) -> None:
        """Let each thread end with the run that it waits for; hints that are still in memory go back to Redis."""
        for thread in self._worker.workers:
            thread.stop()

    def stop(self) -> None:
        """Wait for the threads; to be called in a thread of its own, once nothing is driven any more."""
        try:
            self._worker.stop(timeout=STOP_MILLISECONDS)
        except RedisError as error:
            log.warning("hints_not_returned", error=str(error))
        self._broker.close()

    def follow(self, run_id: str) -> None:
        """Have a run driven, and wait for its end for a while."""
        driving = asyncio.run_coroutine_threadsafe(self._followed(run_id), self._loop)
        try:
            driving.result(PATIENCE_SECONDS)
        except TimeoutError:
            driving.cancel()

    async def _followed(self, run_id: str) -> None:
        try:
            claimed = await self._drive(run_id)
        except Exception as error:  # noqa: BLE001, whatever it is, the sweep comes by
            log.warning("hint_not_followed", run_id=run_id, error=repr(error))
            claimed = False
        HINTS.labels("followed" if claimed else "idle").inc()
