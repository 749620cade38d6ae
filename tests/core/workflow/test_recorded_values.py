"""Time, ids and chance in a body are the same at every replay; its log speaks once."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from core.container import Scope
from core.workflow import log, now, random, uuid, workflow

from .proxy import Proxy, Spoil
from .slots import Slot, SlotForbidden, commits, count_slots, entries, runs, take_slot

SEEN: list[tuple[datetime, UUID, float]] = []


@pytest.fixture(autouse=True)
def seen() -> list[tuple[datetime, UUID, float]]:
    SEEN.clear()
    return SEEN


@workflow("draw", version=1)
async def draw(data: None) -> tuple[datetime, UUID, float]:
    drawn = (await now(), await uuid(), await random())
    SEEN.append(drawn)
    await take_slot(Slot(name="a"))
    await take_slot(Slot(name="b"))
    return drawn


async def test_values_are_journaled_without_a_commit_of_their_own(scope: Scope):
    at, id, number = await draw.run(scope, None)

    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    assert id.version == 4
    assert 0 <= number < 1
    assert await commits(scope) == 2
    assert [entry[1:3] for entry in await entries(scope)][:3] == [
        ("now", "value"),
        ("uuid", "value"),
        ("random", "value"),
    ]


async def test_values_are_the_same_when_the_body_is_replayed(far: Scope, proxy: Proxy):
    proxy.spoils = [Spoil.PASS, Spoil.CUT_BEFORE]

    drawn = await draw.run(far, None)

    assert [drawn, drawn] == SEEN


async def test_values_alone_leave_nothing_behind(scope: Scope):
    @workflow("tell-time", version=1)
    async def tell_time(data: None) -> datetime:
        return await now()

    assert (await tell_time.run(scope, None)).tzinfo is not None
    assert await runs(scope) == []


@workflow("talk", version=1)
async def talk(data: None) -> None:
    log.info("started", by="talk")
    await take_slot(Slot(name="a"))
    log.info("took", slot="a")
    await take_slot(Slot(name="b"))
    log.warning("took", slot="b")


async def test_a_body_logs_once_although_it_is_replayed(far: Scope, scope: Scope, proxy: Proxy):
    proxy.spoils = [Spoil.PASS, Spoil.CUT_BEFORE]
    with capture_logs() as lines:
        await talk.run(far, None)

    said = [line for line in lines if line["event"] in ("started", "took")]
    [(run_id,)] = await scope.session.sql("SELECT id FROM workflow_run")
    bound = {"run_id": run_id, "workflow": "talk"}
    assert said == [
        {"event": "started", "by": "talk", "log_level": "info", **bound},
        {"event": "took", "slot": "a", "log_level": "info", **bound},
        {"event": "took", "slot": "b", "log_level": "warning", **bound},
    ]


async def test_a_body_logs_after_what_it_did_is_durable(scope: Scope):
    seen: list[str] = []

    @workflow("take-and-talk", version=1)
    async def take_and_talk(data: None) -> None:
        await take_slot(Slot(name="a"))
        log.info("took", slot="a")
        seen.extend(line["event"] for line in lines)
        await count_slots()
        seen.extend(line["event"] for line in lines)
        await take_slot(Slot(name="b"))
        await count_slots()
        seen.extend(line["event"] for line in lines)

    with capture_logs() as lines:
        await take_and_talk.run(scope, None)

    assert seen == ["took"]
    assert [line["event"] for line in lines] == ["took"]


async def test_a_body_that_writes_nothing_logs_at_its_end(scope: Scope):
    @workflow("only-talk", version=1)
    async def only_talk(data: bool) -> None:
        log.debug("talking")
        log.error("still talking")
        if data:
            raise SlotForbidden

    with capture_logs() as lines:
        await only_talk.run(scope, False)
        with pytest.raises(SlotForbidden):
            await only_talk.run(scope, True)

    assert [line["event"] for line in lines if not line["event"].startswith("run_")] == ["talking", "still talking"] * 2


def test_outside_of_a_body_the_log_speaks_at_once():
    with capture_logs() as lines:
        log.info("hello", name="a")

    assert lines == [{"event": "hello", "name": "a", "log_level": "info"}]
