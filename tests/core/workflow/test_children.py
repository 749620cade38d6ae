"""A workflow called in a workflow: one run, one journal, and undone by itself if it fails."""

import asyncio

import pytest

from core.container import Scope
from core.errors import InvalidData
from core.workflow import StepContext, StepFailed, parallel, step, workflow

from .proxy import Proxy, Spoil
from .slots import Calls, Names, Slot, SlotForbidden, TakeThenFail, commits, entries, runs, slots, take_slot

FAIL = "forbidden"


@workflow("take-names", version=1)
async def take_names(data: TakeThenFail) -> list[str]:
    for name in data.names:
        await take_slot(Slot(name=name))
    if data.error:
        raise SlotForbidden("not these")
    return data.names


@workflow("take-around", version=1)
async def take_around(data: TakeThenFail) -> list[str]:
    await take_slot(Slot(name="before"))
    names = await take_names(TakeThenFail(data.names, ""))
    await take_slot(Slot(name="after"))
    if data.error:
        raise SlotForbidden
    return names


async def test_c14_a_childs_result_is_usable(scope: Scope):
    assert await take_around.run(scope, TakeThenFail(["a", "b"], "")) == ["a", "b"]

    assert await runs(scope) == [("take-around", "done", None)]
    assert [entry[:3] for entry in await entries(scope)] == [
        ("1", "take-slot", "transactional"),
        ("2.1", "take-slot", "transactional"),
        ("2.2", "take-slot", "transactional"),
        ("2", "take-names", "child"),
        ("3", "take-slot", "transactional"),
    ]
    assert await commits(scope) == 4


async def test_c14_when_the_parent_fails_later_the_childs_steps_are_undone_once_each(scope: Scope, calls: Calls):
    with pytest.raises(SlotForbidden):
        await take_around.run(scope, TakeThenFail(["a", "b"], FAIL))

    assert calls[-4:] == ["give back after", "give back b", "give back a", "give back before"]
    assert len(calls) == 8
    assert await runs(scope) == [("take-around", "compensated", None)]


async def test_c15_the_parents_run_id_reaches_the_child(scope: Scope):
    @step("tell")
    async def tell(ctx: StepContext) -> tuple[str, str]:
        return ctx.run_id, ctx.path

    @workflow("tell", version=1)
    async def tell_once(data: None) -> tuple[str, str]:
        return await tell()

    @workflow("ask", version=1)
    async def ask(data: None) -> list[tuple[str, str]]:
        return [await tell(), await tell_once(None)]

    (parent, _), (child, path) = await ask.run(scope, None)

    assert child == parent
    assert path == "2.1"


@workflow("try-child", version=1)
async def try_child(data: Names) -> str:
    await take_slot(Slot(name="before"))
    try:
        await take_names(TakeThenFail(data.names, FAIL))
    except SlotForbidden as error:
        await take_slot(Slot(name="after"))
        return error.detail
    return ""


async def test_c17_a_child_that_failed_and_was_caught_is_undone_once_and_the_parent_is_done(scope: Scope, calls: Calls):
    assert await try_child.run(scope, Names(["a", "b"])) == "not these"

    assert calls == ["take before", "take a", "take b", "give back b", "give back a", "take after"]
    assert await slots(scope) == ["after", "before"]
    assert await runs(scope) == [("try-child", "done", None)]
    kinds = {path: kind for path, _, kind, _ in await entries(scope)}
    assert kinds["2"] == "failure"
    assert kinds["2.1:undo"] == kinds["2.2:undo"] == "undo"


async def test_what_a_failed_child_undid_is_not_undone_again(scope: Scope, calls: Calls):
    @workflow("fail-after-child", version=1)
    async def fail_after_child(data: None) -> None:
        await try_child(Names(["a"]))
        raise SlotForbidden

    with pytest.raises(SlotForbidden):
        await fail_after_child.run(scope, None)

    assert calls == [
        *["take before", "take a", "give back a", "take after"],
        *["give back after", "give back before"],
    ]
    assert await slots(scope) == []
    assert await runs(scope) == [("fail-after-child", "compensated", None)]


async def test_a_run_whose_only_work_was_undone_by_its_child_is_compensated(scope: Scope):
    @workflow("only-child", version=1)
    async def only_child(data: None) -> None:
        await take_names(TakeThenFail(["a"], FAIL))

    with pytest.raises(SlotForbidden):
        await only_child.run(scope, None)

    assert await runs(scope) == [("only-child", "compensated", None)]


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("spoil", [Spoil.CUT_BEFORE, Spoil.CUT_AFTER])
async def test_a_failing_child_is_undone_once_whichever_commit_is_cut(
    far: Scope, scope: Scope, proxy: Proxy, calls: Calls, number: int, spoil: Spoil
):
    proxy.spoils = [*[Spoil.PASS] * number, spoil]

    assert await try_child.run(far, Names(["a", "b"])) == "not these"

    assert await slots(scope) == ["after", "before"]
    assert await runs(scope) == [("try-child", "done", None)]
    assert sorted(path for path, *_ in await entries(scope)) == ["1", "2", "2.1", "2.1:undo", "2.2", "2.2:undo", "3"]


async def test_children_have_children(scope: Scope, calls: Calls):
    @workflow("middle", version=1)
    async def middle(data: Names) -> None:
        await take_slot(Slot(name="middle"))
        await take_names(TakeThenFail(data.names, FAIL))

    @workflow("top", version=1)
    async def top(data: Names) -> None:
        await take_slot(Slot(name="top"))
        await middle(data)

    with pytest.raises(SlotForbidden):
        await top.run(scope, Names(["a"]))

    assert calls == ["take top", "take middle", "take a", "give back a", "give back middle", "give back top"]
    assert {"2.2.1", "2.2", "2", "1"} < {path for path, *_ in await entries(scope)}


async def test_a_child_is_given_a_copy_of_the_right_type(scope: Scope):
    @workflow("spoil", version=1)
    async def spoil(data: Names) -> None:
        data.names.append("spoilt")

    @workflow("keep", version=1)
    async def keep(data: Names) -> list[str]:
        await spoil(data)
        return data.names

    assert await keep.run(scope, Names(["a"])) == ["a"]

    @workflow("mistake", version=1)
    async def mistake(data: None) -> None:
        await spoil(3)  # pyright: ignore[reportArgumentType]

    with pytest.raises(InvalidData, match="workflow spoil"):
        await mistake.run(scope, None)


async def test_a_child_without_compensations_fails_without_a_commit_of_its_own(scope: Scope):
    @step("note")
    async def note(ctx: StepContext) -> None:
        await ctx.scope.session.writable("note").sql("INSERT INTO slot VALUES ('note', '')")

    @workflow("note-and-fail", version=1)
    async def note_and_fail(data: None) -> None:
        await note()
        raise ZeroDivisionError

    @workflow("catch", version=1)
    async def catch(data: None) -> str:
        try:
            await note_and_fail(None)
        except Exception as error:  # noqa: BLE001, whatever it is
            return type(error).__name__
        return ""

    assert await catch.run(scope, None) == "WorkflowFailed"
    assert await commits(scope) == 1
    assert await slots(scope) == ["note"]


async def test_a_step_that_fails_in_a_child_reaches_the_parent_typed(scope: Scope):
    await take_names.run(scope, TakeThenFail(["a"], ""))

    with pytest.raises(StepFailed) as caught:
        await take_around.run(scope, TakeThenFail(["a"], ""))

    assert caught.value.error_type == "UniqueViolation"
    assert await slots(scope) == ["a"]


async def test_an_undo_that_a_replay_goes_on_with_ends_although_a_sibling_fails_meanwhile(
    far: Scope, scope: Scope, proxy: Proxy, calls: Calls
):
    undoing = asyncio.Event()
    sibling_failed = asyncio.Event()

    @step("put")
    async def put(ctx: StepContext) -> None: ...

    @put.compensate
    async def take_away(ctx: StepContext, nothing: None) -> None:
        ctx.resolve(Calls).append("take away")
        if calls.count("take away") > 1:
            undoing.set()
            await sibling_failed.wait()
            await asyncio.sleep(0.05)

    @step("fail-when-undoing")
    async def fail_when_undoing(ctx: StepContext) -> None:
        await undoing.wait()
        sibling_failed.set()
        raise SlotForbidden

    @workflow("put-and-fail", version=1)
    async def put_and_fail(data: None) -> None:
        await put()
        raise SlotForbidden

    @workflow("nest-put", version=1)
    async def nest_put(data: None) -> None:
        await put_and_fail(None)

    @workflow("nest-beside", version=1)
    async def nest_beside(data: None) -> None:
        await parallel(nest_put(None), fail_when_undoing())

    proxy.spoils = [Spoil.PASS, Spoil.PASS, Spoil.CUT_BEFORE]
    async with asyncio.timeout(10):
        with pytest.raises(SlotForbidden):
            await nest_beside.run(far, None)

    assert calls == ["take away", "take away"]
