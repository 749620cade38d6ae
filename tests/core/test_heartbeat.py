import asyncio

import psycopg
from structlog.testing import capture_logs

from core.app import Application
from core.config import Config, Database, Engine
from core.db import Session
from core.heartbeat import Heartbeat

from .workflow.proxy import Proxy


class SlowHeart(Heartbeat):
    begun = 0
    ended = 0
    second = asyncio.Event()

    async def beat(self) -> None:
        self.begun += 1
        if self.begun == 2:
            self.second.set()
        await super().beat()
        await asyncio.sleep(0.05)
        self.ended += 1


async def test_lets_the_beat_under_way_end_when_it_stops(core_database_url: str) -> None:
    config = Config(database=Database(url=core_database_url), engine=Engine(beat_seconds=0.01))
    app = Application(config, modules=[])
    heart = SlowHeart(app.database, app.clock, config.engine.beat_seconds, config.engine.lease_seconds)
    await heart.start()
    await heart.second.wait()
    await heart.stop()
    assert heart.begun == heart.ended == 2
    await app.database.dispose()


class FalteringHeart(Heartbeat):
    begun = 0
    third = asyncio.Event()

    async def beat(self) -> None:
        self.begun += 1
        if self.begun == 2:
            raise RuntimeError("an error that nobody thought of")
        if self.begun == 3:
            self.third.set()
        await super().beat()


async def test_beats_on_after_an_error_that_nobody_thought_of(core_database_url: str) -> None:
    config = Config(database=Database(url=core_database_url), engine=Engine(beat_seconds=0.01))
    app = Application(config, modules=[])
    heart = FalteringHeart(app.database, app.clock, config.engine.beat_seconds, config.engine.lease_seconds)
    await heart.start()
    await asyncio.wait_for(heart.third.wait(), 10)
    await heart.stop()
    await app.database.dispose()
    assert heart.begun >= 3


async def test_a_heart_that_was_late_is_patient_for_a_lease(core_database_url: str) -> None:
    app = Application(Config(database=Database(url=core_database_url)), modules=[])
    heart = Heartbeat(app.database, app.clock, 3600, lease=0.3)
    await heart.start()
    await heart.beat()
    assert not heart.patient
    await Session(app.database).sql("UPDATE workflow_process SET beat_at = beat_at - interval '1 second'")
    await heart.beat()
    assert heart.patient
    async with asyncio.timeout(5):
        while heart.patient:  # noqa: ASYNC110, time itself
            await asyncio.sleep(0.01)
    await heart.stop()
    await app.database.dispose()


async def test_beats_while_the_steps_have_all_connections(core_database_url: str) -> None:
    config = Config(database=Database(url=core_database_url, pool_size=1, pool_timeout_seconds=0.2))
    app = Application(config, modules=[])
    async with app.running(), app.scope() as scope, scope.transaction():
        async with asyncio.timeout(5):
            await app.heartbeat.beat()


class MissingHeart(Heartbeat):
    begun = 0
    third = asyncio.Event()

    async def beat(self) -> None:
        self.begun += 1
        if self.begun == 2:
            raise psycopg.OperationalError("the server closed the connection unexpectedly")
        if self.begun == 3:
            self.third.set()
        await super().beat()


async def test_beats_again_soon_after_a_beat_that_was_missed(core_database_url: str) -> None:
    app = Application(Config(database=Database(url=core_database_url)), modules=[])
    heart = MissingHeart(app.database, app.clock, every=2, lease=20)
    await heart.start()
    started = asyncio.get_running_loop().time()
    await asyncio.wait_for(heart.third.wait(), 10)
    assert asyncio.get_running_loop().time() - started < 3.5
    await heart.stop()
    await app.database.dispose()


async def test_a_heart_whose_row_was_swept_away_is_patient(core_database_url: str) -> None:
    app = Application(Config(database=Database(url=core_database_url)), modules=[])
    heart = Heartbeat(app.database, app.clock, 3600, lease=20)
    await heart.start()
    assert not heart.patient
    await Session(app.database).sql("DELETE FROM workflow_process WHERE id = %s", (heart.process_id,))
    await heart.beat()
    assert heart.patient
    await heart.stop()
    await app.database.dispose()


class CountingHeart(Heartbeat):
    begun = 0
    ended = 0

    async def beat(self) -> None:
        self.begun += 1
        await super().beat()
        self.ended += 1

    async def until_ended(self, count: int) -> None:
        async with asyncio.timeout(30):
            while self.ended < count:  # noqa: ASYNC110, a number
                await asyncio.sleep(0.01)


async def test_a_beat_that_is_never_answered_is_missed_and_the_next_one_has_another_connection(core_database_url: str):
    async with Proxy(core_database_url).running() as proxy:
        app = Application(Config(database=Database(url=proxy.url)), modules=[])
        heart = CountingHeart(app.database, app.clock, every=0.01, lease=0.5)
        await heart.start()
        await heart.until_ended(2)
        proxy.stall()
        with capture_logs() as logs:
            await heart.until_ended(heart.ended + 2)
        assert [(line["event"], line["error"]) for line in logs] == [("beat_missed", "no answer within 0.5 s")]
        await heart.stop()
        await app.database.dispose()


class AwayHeart(CountingHeart):
    async def beat(self) -> None:
        self.begun += 1
        if self.begun in {*range(2, 7), 8}:
            raise psycopg.OperationalError(f"away {self.begun}")
        self.ended += 1


async def test_tells_of_the_first_miss_and_then_once_a_beat(core_database_url: str):
    app = Application(Config(database=Database(url=core_database_url)), modules=[])
    heart = AwayHeart(app.database, app.clock, every=0.6, lease=20)
    with capture_logs() as logs:
        await heart.start()
        await heart.until_ended(3)
    assert (logs[0]["error"], logs[-1]["error"]) == ("away 2", "away 8")
    assert len(logs) < 6
    await heart.stop()
    await app.database.dispose()
