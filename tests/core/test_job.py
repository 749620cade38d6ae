"""Jobs run at their ticks: each tick once, the latest alone of those that were missed, never two runs at a time."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import psycopg
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from core.app import Application
from core.config import Config, Database, Engine, Shop
from core.errors import ConfigurationError, NotFound
from core.job import MOST_MISSED, Job, Jobs, Tick, job, tick_key
from core.metrics import render_metrics
from core.scheduler import Scheduler
from core.testing import application_on, config_on, move_clock
from core.workflow import RunStateConflict, StepContext, Workflow, step, wait_for, workflow

MINUTE = timedelta(minutes=1)
TICKED: list[datetime] = []
IN_THE_WAY = """
INSERT INTO workflow_run (id, workflow, version, key, status, input_hash, input, context, entries, created_at)
VALUES ('run_0', 'every-minute', 1, %(key)s, 'done', '', '{}', '{}', '[]', %(now)s) RETURNING id"""

NOT_HEARD_OF = "UPDATE workflow_process SET beat_at = beat_at - interval '1 hour' WHERE id = %s RETURNING id"


@step("note-tick")
async def note_tick(ctx: StepContext, at: datetime) -> None:
    TICKED.append(at)


@job("every-minute", cron="* * * * *")
async def every_minute(tick: Tick) -> None:
    await note_tick(tick.scheduled_at)


@job("waits-for-a-word", cron="* * * * *")
async def waits_for_a_word(tick: Tick) -> None:
    await wait_for("word", str)


@pytest.fixture(autouse=True)
def nothing_has_ticked() -> None:
    TICKED.clear()


@asynccontextmanager
async def shop(url: str, *jobs: Workflow[Any, Any], config: Config | None = None) -> AsyncGenerator[Application]:
    """A process of a shop with these jobs, its clock half a minute past a full one."""
    app = application_on(url, workflows=jobs, config=config)
    async with app.running():
        yield app


async def stand_still(url: str) -> None:
    """Move the clock to half a minute past a full one, so that no tick comes by itself for a while."""
    async with shop(url) as app:
        await move_clock(app, timedelta(seconds=90 - app.clock.now().second))


async def look(app: Application) -> list[str]:
    return await Scheduler(app.container).look()


async def seconds_go_by_until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not done():  # noqa: ASYNC110, others' work
            await asyncio.sleep(0.005)


def runs(url: str, what: str = "status") -> list[Any]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(f"SELECT {what} FROM workflow_run ORDER BY id".encode()).fetchall()
    return [value for (value,) in rows]


@pytest.fixture
async def url(core_database_url: str) -> str:
    await stand_still(core_database_url)
    return core_database_url


async def test_a_new_job_begins_with_the_first_tick_after_it_was_seen(url: str):
    async with shop(url, every_minute) as app:
        assert await look(app) == []
        assert await look(app) == []
        await move_clock(app, MINUTE)
        [run_id] = await look(app)
        await seconds_go_by_until(lambda: len(TICKED) == 1)
        assert runs(url, "id") == [run_id]
        assert [app.clock.now().replace(second=0, microsecond=0)] == TICKED
        assert runs(url, "key") == [tick_key(TICKED[0])]


async def test_e14_a_cron_job_runs_n_times_and_stops_when_removed(url: str):
    async with shop(url, every_minute) as app:
        await look(app)
        for number in range(1, 6):
            await move_clock(app, MINUTE)
            await look(app)
            await seconds_go_by_until(lambda number=number: runs(url) == ["done"] * number)
    async with shop(url) as without:
        await move_clock(without, MINUTE)
        assert await look(without) == []
    assert len(runs(url)) == len(TICKED) == 5


async def test_a_tick_that_no_scheduler_saw_is_made_up_for_by_the_next_one(url: str):
    async with shop(url, every_minute) as app:
        await look(app)
    async with shop(url, every_minute) as app:
        await move_clock(app, 90 * MINUTE)
        assert len(await look(app)) == 1
        await seconds_go_by_until(lambda: len(TICKED) == 1)
        assert app.clock.now() - TICKED[0] < MINUTE


async def test_a_tick_runs_once_also_when_its_run_is_purged_or_the_clock_goes_back(url: str):
    async with shop(url, every_minute) as app:
        await look(app)
        await move_clock(app, MINUTE)
        assert len(await look(app)) == 1
        await seconds_go_by_until(lambda: runs(url) == ["done"])
        with psycopg.connect(url) as connection:
            connection.execute("DELETE FROM workflow_run")
        assert await look(app) == []
        async with app.scope() as scope:
            assert await scope.resolve(Jobs).due() == []
            # Another scheduler may have found it due a moment before.
            assert await scope.resolve(Jobs).start(every_minute, TICKED[0]) is None
        await move_clock(app, -3 * MINUTE)
        assert await look(app) == []


async def test_a_job_at_work_is_not_started_again_and_what_it_missed_is_made_up_for_once(url: str):
    async with shop(url, waits_for_a_word) as app:
        await look(app)
        await move_clock(app, MINUTE)
        [first] = await look(app)
        for _ in range(3):
            await move_clock(app, MINUTE)
            assert await look(app) == []
        async with app.scope() as scope:
            with pytest.raises(RunStateConflict, match=first):
                await scope.resolve(Jobs).run("waits-for-a-word")
            await app.workflows.sweep()
            await seconds_go_by_until(lambda: runs(url) == ["waiting"])
            await scope.session.sql("UPDATE workflow_run SET status = 'cancelled' RETURNING id")
        assert len(await look(app)) == 1
        assert await look(app) == []


async def test_counts_the_ticks_that_a_job_has_missed(url: str):
    async with shop(url, waits_for_a_word) as app, app.scope() as scope:
        jobs = scope.resolve(Jobs)
        assert await jobs.missed() == {}
        await look(app)
        assert await jobs.missed() == {"waits-for-a-word": 0}
        await move_clock(app, MINUTE)
        await look(app)
        for minutes, missed in ((1, 1), (2, 3), (60, MOST_MISSED)):
            await move_clock(app, minutes * MINUTE)
            assert await jobs.missed() == {"waits-for-a-word": missed}
        await scope.session.sql("UPDATE workflow_run SET status = 'cancelled' RETURNING id")
        await look(app)
        assert await jobs.missed() == {"waits-for-a-word": 0}


def version(id: str, number: int, like: Job, *, cron: str = "* * * * *", timezone: str | None = None) -> Job:
    """Another job, with the body of one of those above."""
    return Job(id, like.body, cron=cron, timezone=timezone, version=number, retention=MINUTE, timeout=None)


async def test_a_run_without_code_does_not_keep_its_job_from_running(url: str):
    old, new = version("renewed", 1, waits_for_a_word), version("renewed", 2, every_minute)
    async with shop(url, old) as app:
        await look(app)
        await move_clock(app, MINUTE)
        await look(app)
        await seconds_go_by_until(lambda: runs(url) == ["waiting"])
    async with shop(url, new) as app:
        await move_clock(app, MINUTE)
        assert len(await look(app)) == 1
        await seconds_go_by_until(lambda: runs(url, "status || version") == ["waiting1", "done2"])


async def test_a_run_of_another_version_is_at_work_as_long_as_a_living_process_has_its_code(url: str):
    old = application_on(url, workflows=[version("renewed", 1, every_minute)])
    new = application_on(url, workflows=[version("renewed", 2, waits_for_a_word)])
    async with old.running(sweeping=False):
        await look(old)
        async with new.running(sweeping=False):
            await move_clock(new, MINUTE)
            assert len(await look(new)) == 1
            await move_clock(old, MINUTE)
            assert await look(old) == []
            async with old.scope() as scope:
                with pytest.raises(RunStateConflict):
                    await scope.resolve(Jobs).run("renewed")
                await scope.session.sql(NOT_HEARD_OF, (new.heartbeat.process_id,))
            assert len(await look(old)) == 1
    assert runs(url, "status || version") == ["queued2", "queued1"]


async def test_the_latest_version_of_a_job_is_the_one_that_runs(url: str):
    old, new = version("changed", 1, waits_for_a_word), version("changed", 2, every_minute)
    for order in ([old, new], [new, old]):
        async with shop(url, *order) as app, app.scope() as scope:
            [listed] = await scope.resolve(Jobs).list()
            run = await scope.resolve(Jobs).run("changed")
            await run.result()
    assert runs(url, "version") == [2, 2]
    assert listed.last_status == "done"


async def test_lists_jobs_with_their_last_run_and_next_tick(url: str):
    config = replace(config_on(url), shop=Shop(timezone="Europe/Vienna"))
    tokyo = version("a-b", 1, every_minute, cron="0 9 * * *", timezone="Asia/Tokyo")
    async with shop(url, every_minute, tokyo, config=config) as app, app.scope() as scope:
        jobs = scope.resolve(Jobs)
        first, second = await jobs.list()
        assert (first.id, first.timezone, first.last_tick_at, first.last_status) == ("a-b", "Asia/Tokyo", None, None)
        assert first.next_tick_at is not None
        assert first.next_tick_at.astimezone(UTC).hour == 0
        assert (second.id, second.timezone) == ("every-minute", "Europe/Vienna")
        run = await jobs.run("every-minute")
        await run.result()
        _, second = await jobs.list()
        assert (second.last_run_id, second.last_status) == (run.id, "done")
        assert second.last_finished_at is not None


async def test_a_metric_says_for_which_time_a_job_was_last_started(url: str):
    async with shop(url, every_minute) as app:
        await look(app)
        await move_clock(app, MINUTE)
        await look(app)
        await seconds_go_by_until(lambda: len(TICKED) == 1)
        text = render_metrics(await app.workflows.gauges.read()).decode()
    [line] = [line for line in text.splitlines() if line.startswith("holdfast_job_last_tick_timestamp_seconds{")]
    assert line.startswith('holdfast_job_last_tick_timestamp_seconds{job="every-minute"} ')
    assert float(line.rsplit(" ", 1)[1]) == TICKED[0].timestamp()


async def test_a_metric_says_how_many_ticks_a_job_has_missed(url: str):
    async with shop(url, waits_for_a_word) as app:
        await look(app)
        await move_clock(app, 3 * MINUTE)
        text = render_metrics(await app.workflows.gauges.read()).decode()
    assert 'holdfast_job_missed_ticks{job="waits-for-a-word"} 3.0' in text


async def test_a_shop_in_no_time_zone_has_metrics_all_the_same(url: str):
    config = replace(config_on(url), shop=Shop(timezone="Mars/Phobos"))
    async with shop(url, every_minute) as app:
        await look(app)
    async with shop(url, every_minute, config=config) as app:
        text = render_metrics(await app.workflows.gauges.read()).decode()
    assert "holdfast_job_last_tick_timestamp_seconds{" in text


async def test_refuses_to_run_what_is_no_job(url: str):
    async with shop(url, every_minute) as app, app.scope() as scope:
        with pytest.raises(NotFound, match="every-minute"):
            await scope.resolve(Jobs).run("no-such-job")


async def test_one_job_that_cannot_start_does_not_keep_the_others_from_it(url: str):
    async with shop(url, every_minute, waits_for_a_word) as app:
        await look(app)
        async with app.scope() as scope:
            # A run with other input has the key of the next tick of one of them.
            tick = app.clock.now().replace(second=0, microsecond=0) + MINUTE
            await scope.session.sql(IN_THE_WAY, {"key": tick_key(tick), "now": tick})
        await move_clock(app, MINUTE)
        assert len(await look(app)) == 1


async def test_a_scheduler_does_not_wait_for_a_beat_when_a_tick_comes_sooner(core_database_url: str):
    every_second = version("every-second", 1, every_minute, cron="* * * * * *")
    clockwork = Engine(beat_seconds=600, lease_seconds=1800)
    app = Application(
        Config(database=Database(url=core_database_url), engine=clockwork), modules=[], workflows=[every_second]
    )
    async with app.running(), Scheduler(app.container).running():
        await seconds_go_by_until(lambda: len(TICKED) > 2)
    assert TICKED[1] - TICKED[0] == timedelta(seconds=1)


async def test_a_scheduler_waits_for_a_database_that_is_away(url: str):
    app = application_on(url, workflows=[every_minute])
    async with app.running():
        await look(app)
        with psycopg.connect(url, autocommit=True) as connection, capture_logs() as logs:
            connection.execute("ALTER TABLE scheduled_job RENAME TO away")
            async with Scheduler(app.container).running():
                await move_clock(app, MINUTE)
                await seconds_go_by_until(lambda: [log["event"] for log in logs].count("schedule_failed") > 1)
                connection.execute("ALTER TABLE away RENAME TO scheduled_job")
                await seconds_go_by_until(lambda: len(TICKED) == 1)


def declare(*, cron: str = "* * * * *", timezone: str | None = None) -> Job:
    async def body(tick: Tick) -> None: ...

    return job("declared", cron=cron, timezone=timezone)(body)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cron": "61 * * * *"}, "job declared: '61 . . . .' is no cron expression"),
        ({"cron": ""}, "no cron expression"),
        ({"cron": "0 0 30 2 *"}, "job declared"),
        ({"timezone": "Mars/Phobos"}, "job declared: there is no time zone 'Mars/Phobos'"),
        ({"timezone": ""}, "no time zone"),
    ],
)
def test_a_bad_declaration_is_told_at_import(options: dict[str, Any], said: str):
    with pytest.raises(ConfigurationError, match=said):
        declare(**options)


@pytest.mark.parametrize("id", ["", "a\0b", "a\nb", "a:b"])
def test_the_id_of_a_job_is_text_without_colons(id: str):
    async def body(tick: Tick) -> None: ...

    with pytest.raises(ConfigurationError, match="the id of a job is printable text without colons"):
        job(id, cron="* * * * *")(body)


def test_a_job_is_asynchronous():
    def body(tick: Tick) -> None: ...

    with pytest.raises(ConfigurationError, match="job declared is an `async def`"):
        job("declared", cron="* * * * *")(cast("Any", body))


def test_a_job_takes_a_tick():
    async def body(data: str) -> None: ...

    with pytest.raises(ConfigurationError, match="takes one Tick"):
        job("declared", cron="* * * * *")(body)  # type: ignore[arg-type]


async def test_a_shop_in_an_unknown_zone_has_no_schedule(url: str):
    config = replace(config_on(url), shop=Shop(timezone="Mars/Phobos"))
    async with shop(url, every_minute, config=config) as app:
        with pytest.raises(ConfigurationError, match="Mars/Phobos"):
            async with Scheduler(app.container).running():
                pass


async def test_a_workflow_that_is_no_job_is_not_listed(url: str):
    @workflow("no-job", version=1)
    async def no_job(data: None) -> None: ...

    async with shop(url, no_job) as app, app.scope() as scope:
        assert await scope.resolve(Jobs).list() == []
        assert scope.resolve(Jobs).following() is None
