"""External steps: at least once, always with the same token, and never forgotten."""

from datetime import timedelta

import pytest

from core.container import Scope
from core.errors import HoldfastError, NoTransaction, OutcomeUnknown
from core.workflow import Retry, RunInProgress, StepContext, StepFailed, StepTimedOut, UnstorableResult, step, workflow

from .payments import QUICK, CardDeclined, Charge, charge
from .proxy import Proxy, Spoil
from .slots import Calls, Names, Slot, SlotForbidden, commits, entries, runs, slots, take_one, take_slot


@workflow("charge-one", version=1)
async def charge_one(data: Charge) -> str:
    return await charge(data)


@workflow("charge-all", version=1)
async def charge_all(data: Names) -> list[str]:
    return [await charge(Charge(name=name)) for name in data.names]


@workflow("take-charge-take", version=1)
async def take_charge_take(data: Charge) -> None:
    await take_slot(Slot(name="a"))
    await charge(data)
    await take_slot(Slot(name="b"))


@workflow("charge-and-fail", version=1)
async def charge_and_fail(data: Charge) -> None:
    await charge(data)
    raise SlotForbidden


async def test_an_external_step_alone_commits_twice(scope: Scope):
    token = await charge_one.run(scope, Charge(name="a"))

    [(run_id,)] = await scope.session.sql("SELECT id FROM workflow_run")
    assert token == f"{run_id}:1"
    assert await commits(scope) == 2
    assert await runs(scope) == [("charge-one", "done", None)]
    assert [entry[:3] for entry in await entries(scope)] == [
        ("1:begun", "charge", "begun"),
        ("1", "charge", "external"),
    ]


async def test_three_external_steps_commit_four_times(scope: Scope):
    await charge_all.run(scope, Names(["a", "b", "c"]))

    assert await commits(scope) == 4


async def test_an_external_step_between_two_transactional_ones_costs_no_commit_of_its_own(scope: Scope):
    await take_charge_take.run(scope, Charge(name="c"))

    assert await commits(scope) == 2
    assert await slots(scope) == ["a", "b"]


async def test_what_an_external_step_depends_on_is_durable_before_it(scope: Scope, calls: Calls):
    seen: list[object] = []

    @step("look-outside", external=True)
    async def look_outside(ctx: StepContext) -> None:
        seen.extend(await ctx.scope.session.sql("SELECT name FROM slot"))
        seen.extend(await ctx.scope.session.sql("SELECT status FROM workflow_run"))

    @workflow("take-and-look", version=1)
    async def take_and_look(data: None) -> None:
        await take_slot(Slot(name="a"))
        await look_outside()

    await take_and_look.run(scope, None)

    assert seen == [("a",), ("running",)]


async def test_an_external_step_has_no_transaction(scope: Scope):
    @step("write-outside", external=True, retry=QUICK)
    async def write_outside(ctx: StepContext) -> None:
        ctx.scope.session.writable("write_outside")

    @workflow("write-outside", version=1)
    async def write_once(data: None) -> None:
        await write_outside()

    with pytest.raises(NoTransaction):
        await write_once.run(scope, None)


async def test_a_failure_that_the_step_names_itself_is_not_undone(scope: Scope, calls: Calls):
    with pytest.raises(CardDeclined):
        await take_charge_take.run(scope, Charge(name="c", fails="declined"))

    assert calls == ["take a", "charge c", "give back a"]
    assert await runs(scope) == [("take-charge-take", "compensated", None)]


@pytest.mark.parametrize(("fails", "error"), [("broken", StepFailed), ("late", StepTimedOut)])
async def test_an_unknown_outcome_is_undone_without_an_argument(
    scope: Scope, calls: Calls, fails: str, error: type[Exception]
):
    with pytest.raises(error):
        await take_charge_take.run(scope, Charge(name="c", fails=fails))

    assert calls == ["take a", *["charge c"] * 3, "refund None", "give back a"]
    assert await runs(scope) == [("take-charge-take", "compensated", None)]


@pytest.mark.parametrize("error", [OutcomeUnknown(), RunInProgress()])
@pytest.mark.parametrize("attempts", [1, 2])
async def test_a_step_whose_own_run_has_no_outcome_yet_has_none_either(
    scope: Scope, calls: Calls, error: HoldfastError, attempts: int
):
    @step("pay-by-run", external=True, retry=Retry(attempts=attempts, backoff=timedelta(0)))
    async def pay_by_run(ctx: StepContext) -> str:
        ctx.resolve(Calls).append("pay")
        raise error

    @pay_by_run.compensate
    async def find_out(ctx: StepContext, token: str | None) -> None:
        ctx.resolve(Calls).append(f"find out {token}")

    @workflow("pay-by-run", version=1)
    async def pay_once(data: None) -> None:
        await pay_by_run()

    with pytest.raises(type(error)):
        await pay_once.run(scope, None)

    assert calls == [*["pay"] * attempts, "find out None"]


async def test_an_outcome_that_an_earlier_attempt_left_unknown_stays_unknown(scope: Scope, calls: Calls):
    @step("charge-twice", external=True, retry=QUICK)
    async def charge_twice(ctx: StepContext) -> str:
        if ctx.attempt == 1:
            raise ConnectionError
        raise CardDeclined

    @charge_twice.compensate
    async def find_out(ctx: StepContext, token: str | None) -> None:
        ctx.resolve(Calls).append(f"find out {token}")

    @workflow("charge-twice", version=1)
    async def charge_twice_once(data: None) -> None:
        await charge_twice()

    with pytest.raises(CardDeclined):
        await charge_twice_once.run(scope, None)

    assert calls == ["find out None"]


async def test_a_result_that_cannot_be_stored_leaves_an_unknown_outcome(scope: Scope, calls: Calls):
    @step("answer-badly", external=True, retry=QUICK)
    async def answer_badly(ctx: StepContext) -> str:
        ctx.resolve(Calls).append("answer")
        return "\0"

    @answer_badly.compensate
    async def find_out(ctx: StepContext, answer: str | None) -> None:
        ctx.resolve(Calls).append(f"find out {answer}")

    @workflow("answer-badly", version=1)
    async def answer_once(data: None) -> None:
        await answer_badly()

    with pytest.raises(UnstorableResult):
        await answer_once.run(scope, None)

    assert calls == ["answer", "find out None"]


async def test_an_undo_knows_the_token_of_what_it_undoes(scope: Scope):
    tokens: list[str] = []

    @step("order", external=True)
    async def order(ctx: StepContext) -> str:
        return ctx.token

    @order.compensate
    async def cancel_order(ctx: StepContext, token: str | None) -> None:
        tokens.extend([token or "", ctx.done_token, ctx.token])

    @workflow("order-and-fail", version=1)
    async def order_and_fail(data: None) -> None:
        await order()
        raise SlotForbidden

    with pytest.raises(SlotForbidden):
        await order_and_fail.run(scope, None)

    done, named, own = tokens
    assert done == named
    assert own == f"{done}:undo"


async def test_an_external_undo_is_tried_again_and_in_no_transaction(scope: Scope):
    attempts: list[tuple[int, bool]] = []

    @step("order", external=True, retry=QUICK)
    async def order(ctx: StepContext) -> None: ...

    @order.compensate
    async def cancel_order(ctx: StepContext, nothing: None) -> None:
        attempts.append((ctx.attempt, ctx.scope.session.in_transaction))
        if ctx.attempt < 3:
            raise ConnectionError

    @workflow("order-and-fail", version=1)
    async def order_and_fail(data: None) -> None:
        await order()
        raise SlotForbidden

    with pytest.raises(SlotForbidden):
        await order_and_fail.run(scope, None)

    assert attempts == [(1, False), (2, False), (3, False)]
    assert await runs(scope) == [("order-and-fail", "compensated", None)]


async def test_t8_a_compensation_that_keeps_failing_does_not_stop_the_older_ones(scope: Scope, calls: Calls):
    @step("order", external=True, retry=QUICK)
    async def order(ctx: StepContext) -> None: ...

    @order.compensate
    async def cancel_order(ctx: StepContext, nothing: None) -> None:
        ctx.resolve(Calls).append("cancel order")
        raise ConnectionError

    @workflow("take-order-fail", version=1)
    async def take_order_fail(data: None) -> None:
        await take_slot(Slot(name="a"))
        await order()
        raise SlotForbidden

    with pytest.raises(SlotForbidden):
        await take_order_fail.run(scope, None)

    assert calls == ["take a", *["cancel order"] * 3, "give back a"]
    assert await runs(scope) == [("take-order-fail", "compensation_failed", None)]


async def test_a_lost_commit_after_an_external_step_repeats_it_with_the_same_token(
    far: Scope, scope: Scope, proxy: Proxy, calls: Calls
):
    tokens: list[str] = []

    @step("order", external=True)
    async def order(ctx: StepContext) -> str:
        tokens.append(ctx.token)
        return ctx.token

    @workflow("order-and-take", version=1)
    async def order_and_take(data: None) -> str:
        token = await order()
        await take_slot(Slot(name="a"))
        return token

    proxy.spoils = [Spoil.PASS, Spoil.CUT_BEFORE]
    token = await order_and_take.run(far, None)

    assert tokens == [token, token]
    assert await runs(scope) == [("order-and-take", "done", None)]


async def test_a_call_that_begun_before_a_lost_commit_is_undone_when_the_body_then_fails(
    far: Scope, scope: Scope, proxy: Proxy, calls: Calls
):
    proxy.spoils = [Spoil.PASS, Spoil.CUT_BEFORE]

    with pytest.raises(SlotForbidden):
        await charge_and_fail.run(far, Charge(name="c"))

    assert calls == ["charge c", "charge c", "refund c"]
    assert await runs(scope) == [("charge-and-fail", "compensated", None)]


async def test_the_same_key_with_an_external_step_has_one_effect(scope: Scope, calls: Calls):
    first = await charge_one.run(scope, Charge(name="a"), key="k")

    assert await charge_one.run(scope, Charge(name="a"), key="k") == first
    assert calls == ["charge a"]


async def test_e17_a_step_runs_other_workflows_and_collects_their_errors(scope: Scope, calls: Calls):
    @step("take-many", external=True, retry=QUICK)
    async def take_many(ctx: StepContext) -> list[str]:
        errors: list[str] = []
        for name in ("a", "a", "b"):
            try:
                await take_one.run(ctx.scope, Slot(name=name))
            except StepFailed as error:
                errors.append(error.error_type)
        if ctx.attempt == 1:
            raise ConnectionError
        return errors

    @workflow("take-many", version=1)
    async def take_many_once(data: None) -> list[str]:
        return await take_many()

    assert await take_many_once.run(scope, None) == ["UniqueViolation"]

    assert await slots(scope) == ["a", "b"]
    [(run_id,)] = await scope.session.sql("SELECT id FROM workflow_run WHERE workflow = 'take-many'")
    assert [run[1:] for run in await runs(scope) if run[0] == "take-one"] == [
        ("done", f"{run_id}:1/1"),
        ("done", f"{run_id}:1/3"),
    ]


async def test_options_belong_to_a_call_and_not_to_the_step(scope: Scope, calls: Calls):
    once = charge.with_options(retry=Retry(attempts=1))

    @workflow("charge-once", version=1)
    async def charge_once(data: Charge) -> None:
        await charge(Charge(name="first"))
        await once(data)

    with pytest.raises(StepFailed):
        await charge_once.run(scope, Charge(name="c", fails="broken"))

    assert calls == ["charge first", "charge c", "refund None", "refund first"]
    assert charge.retry is QUICK
