"""What a signal carries, to whom it may go, and what becomes of one that is not fit."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from core.app import Application
from core.container import Scope
from core.errors import InvalidData
from core.workflow import RunNotWaiting, Runs, StepContext, UnstorableResult, parallel, signal, step, wait_for, workflow
from core.workflow.signals import message, send_message

from .slots import Calls, Names, Slot, runs, slots, take_slot
from .test_waiting import LONG, take_when_told, until


class Payment(msgspec.Struct, frozen=True):
    cents: int
    at: datetime


PAID = Payment(2500, datetime(2026, 3, 29, 1, 30, tzinfo=UTC))


@workflow("wait-for-payment", version=1)
async def wait_for_payment(data: None) -> Payment:
    try:
        return await wait_for("paid", Payment, timeout=LONG)
    except InvalidData:
        return await wait_for("paid", Payment, timeout=LONG)


async def test_a_signal_keeps_its_types(scope: Scope):
    run = await wait_for_payment.start(scope, None)
    await scope.resolve(Runs).signal(run.id, "paid", PAID)
    assert await run.result() == PAID


async def test_a_signal_of_another_type_is_an_error_in_the_body_which_may_wait_again(scope: Scope):
    run = await wait_for_payment.start(scope, None)
    await scope.resolve(Runs).signal(run.id, "paid", {"cents": "many"})
    await scope.resolve(Runs).signal(run.id, "paid", PAID)
    assert await run.result() == PAID
    assert await scope.session.sql("SELECT name FROM workflow_signal WHERE NOT taken") == []


@pytest.mark.parametrize("value", [object(), "a\0b", {"a": "\ud800"}])
async def test_a_signal_that_cannot_be_stored_is_refused_and_leaves_the_run_waiting(scope: Scope, value: object):
    run = await wait_for_payment.start(scope, None)
    await until(scope, "waiting")
    with pytest.raises(UnstorableResult, match="signal 'paid'"):
        await scope.resolve(Runs).signal(run.id, "paid", value)
    assert await scope.session.sql("SELECT name FROM workflow_signal WHERE NOT taken") == []
    assert await runs(scope) == [("wait-for-payment", "waiting", None)]


async def test_a_signal_goes_with_the_transaction_of_its_sender(scope: Scope, calls: Calls):
    run = await take_when_told.start(scope, Names(["a"]))
    await until(scope, "waiting")

    async def signal_and_fail() -> None:
        async with scope.transaction():
            await scope.resolve(Runs).signal(run.id, "name", "lost")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await signal_and_fail()
    async with scope.transaction():
        await scope.resolve(Runs).signal(run.id, "name", "b")
        assert calls == ["take a"]

    assert await run.result() == ["a", "b"]


async def test_signals_of_a_name_are_heard_in_the_order_in_which_they_came(scope: Scope):
    @workflow("hear-three", version=1)
    async def hear_three(data: None) -> list[int]:
        return [await wait_for("number", int) for _ in range(3)]

    run = await hear_three.start(scope, None)
    for number in (3, 1, 2):
        await scope.resolve(Runs).signal(run.id, "number", number)

    assert await run.result() == [3, 1, 2]


async def test_a_body_may_catch_that_a_run_does_not_wait_any_more(app: Application, scope: Scope):
    @workflow("tell-late", version=1)
    async def tell_late(run_id: str) -> str:
        try:
            await signal(run_id, "name", "b")
        except RunNotWaiting as error:
            return str(error.data["status"])
        return "heard"

    run = await take_when_told.start(scope, Names(["a"]))
    await scope.resolve(Runs).signal(run.id, "name", "b")
    await run.result()

    assert await tell_late.run(scope, run.id) == "done"


async def test_a_signal_of_a_run_that_is_undone_is_not_taken_back(scope: Scope, calls: Calls):
    @step("refuse")
    async def refuse(ctx: StepContext) -> None:
        raise ZeroDivisionError

    @workflow("tell-and-fail", version=1)
    async def tell_and_fail(run_id: str) -> None:
        await take_slot(Slot(name="x"))
        await signal(run_id, "name", "b")
        await refuse()

    run = await take_when_told.start(scope, Names(["a"]))
    await until(scope, "waiting")
    with pytest.raises(Exception, match="ZeroDivisionError"):
        await tell_and_fail.run(scope, run.id)

    assert await run.result() == ["a", "b"]
    assert await slots(scope) == ["a", "b"]


async def test_a_signal_that_came_in_time_is_heard_although_nobody_looked_before_the_time_out(
    app: Application, scope: Scope
):
    run = await wait_for_payment.start(scope, None)
    await until(scope, "waiting")
    async with scope.transaction() as transaction:
        await scope.resolve(Runs).signal(run.id, "paid", PAID)
        await transaction.sql("UPDATE workflow_run SET due_at = 'infinity'")
    app.clock.set_offset(LONG + timedelta(minutes=1))
    await scope.resolve(Runs).retry(run.id)

    assert await run.result() == PAID


async def test_a_signal_that_is_delivered_twice_is_heard_once(scope: Scope):
    @workflow("hear-two", version=1)
    async def hear_two(data: None) -> list[str]:
        return [await wait_for("word", str), await wait_for("word", str)]

    run = await hear_two.start(scope, None)
    runs = scope.resolve(Runs)
    for word in ("first", "first", "second"):
        await runs.signal(run.id, "word", word, id=word)
        await until_taken(scope, run.id)
    assert await run.result() == ["first", "second"]


async def until_taken(scope: Scope, run_id: str) -> None:
    async with asyncio.timeout(10):
        while (await scope.resolve(Runs).retrieve(run_id)).signals:  # noqa: ASYNC110, rows
            await asyncio.sleep(0.01)


async def test_a_name_that_cannot_be_stored_is_refused(scope: Scope):
    with pytest.raises(UnstorableResult, match="name and id of a signal"):
        await scope.resolve(Runs).signal("run_none", "na\0me")


async def test_a_run_tells_itself_something_beside_others(scope: Scope):
    @step("tell-myself")
    async def tell_myself(ctx: StepContext) -> None:
        await send_message(
            ctx.scope.session, message(ctx.run_id, "word", 1, None), ctx.scope.clock.now(), sender=ctx.run_id
        )

    @workflow("talk-to-itself", version=1)
    async def talk_to_itself(data: None) -> list[int]:
        await tell_myself()
        await parallel(tell_myself(), take_slot(Slot(name="a")), take_slot(Slot(name="b")))
        return [await wait_for("word", int), await wait_for("word", int)]

    assert await talk_to_itself.run(scope, None) == [1, 1]
