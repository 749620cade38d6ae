"""The threads of a worker process that take hints from Redis and have its loop follow them."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty
from typing import Any

import structlog
from dramatiq import Actor, Message, Worker
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

    async def take_no_more(self) -> None:
        """Give the hints in memory back to Redis, for others to follow, and let each thread end with its run.

        To be called while runs can still be driven: until then hints may be followed.
        """
        await _in_its_own_thread(self._take_no_more)

    async def stop(self) -> None:
        """Wait for the threads, once nothing is driven any more."""
        await _in_its_own_thread(self._stop)

    def _take_no_more(self) -> None:
        takers = self._worker.consumers.values()
        for taker in takers:
            taker.stop()
        for taker in takers:
            taker.join(STOP_MILLISECONDS / 1000)
        self._give_back()
        for thread in self._worker.workers:
            thread.stop()

    def _stop(self) -> None:
        try:
            self._worker.stop(timeout=STOP_MILLISECONDS)
        except RedisError as error:
            _tell(error)
        self._broker.close()

    def _give_back(self) -> None:
        hints: defaultdict[str, list[Any]] = defaultdict(list)
        kind: Any = Message
        with suppress(Empty):
            while True:
                message: Any = self._worker.work_queue.get_nowait().message
                hints[message.queue_name].append(message)
        for queue, taker in self._worker.consumers.items():
            source: Any = taker.consumer
            if source is None:
                continue  # Redis was never there
            # What was fetched in one go and not handed on yet, which Dramatiq forgets.
            hints[queue] += map(kind.decode, source.message_cache)
            source.message_cache = []
            try:
                source.requeue(hints[queue])
            except RedisError as error:
                _tell(error)

    def follow(self, run_id: str) -> None:
        """Have a run driven, and wait for its end for a while."""
        driving = asyncio.run_coroutine_threadsafe(self._followed(run_id), self._loop)
        try:
            driving.result(PATIENCE_SECONDS)
        except TimeoutError:
            driving.cancel()

    async def _followed(self, run_id: str) -> None:
        claimed = True  # a run that takes long is left alone before it has ended
        try:
            claimed = await self._drive(run_id)
        except Exception as error:  # noqa: BLE001, whatever it is, the sweep comes by
            log.warning("hint_not_followed", run_id=run_id, error=repr(error))
            claimed = False
        finally:
            HINTS.labels("followed" if claimed else "idle").inc()


async def _in_its_own_thread(act: Callable[[], None]) -> None:
    # Those of the loop may all be busy with what steps do.
    with ThreadPoolExecutor(1) as own:
        await asyncio.get_running_loop().run_in_executor(own, act)


def _tell(error: RedisError) -> None:
    log.warning("hints_not_returned", error=str(error))
