"""Hooks: steps that others put into a workflow."""

import pytest

from core.container import Scope
from core.errors import ConfigurationError
from core.workflow import Hook, Nondeterministic, StepContext, Workflow, hook, step, workflow

from .proxy import Proxy, Spoil
from .slots import Calls, Slot, SlotForbidden, commits, entries, runs, slots, take_slot


def add_handler(taken: Hook[Slot], id: str, order: int, *, fails: bool = False) -> None:
    @taken.handler(id, order=order)
    async def handle(ctx: StepContext, slot: Slot) -> str:
        ctx.resolve(Calls).append(f"{id} {slot.name}")
        await ctx.scope.session.writable("handle").sql("INSERT INTO slot VALUES (%s)", (f"{id} {slot.name}",))
        if fails:
            raise SlotForbidden
        return slot.name

    @handle.compensate
    async def unhandle(ctx: StepContext, name: str) -> None:
        ctx.resolve(Calls).append(f"undo {id} {name}")
        await ctx.scope.session.writable("unhandle").sql("DELETE FROM slot WHERE name = %s", (f"{id} {name}",))


def hooked(taken: Hook[Slot]) -> Workflow[Slot, str]:
    @workflow("take-and-tell", version=1)
    async def take_and_tell(data: Slot) -> str:
        slot = await take_slot(data)
        await taken(slot)
        return slot.name

    return take_and_tell


async def test_c8_handlers_run_in_their_order(scope: Scope, calls: Calls):
    taken = hook("slot-taken", Slot)
    add_handler(taken, "second", 20)
    add_handler(taken, "first", 10)
    add_handler(taken, "also-first", 10)

    assert await hooked(taken).run(scope, Slot(name="a")) == "a"

    assert calls == ["take a", "also-first a", "first a", "second a"]
    assert [entry[:3] for entry in await entries(scope)] == [
        ("1", "take-slot", "transactional"),
        ("2", "slot-taken", "hook"),
        ("2.1", "also-first", "transactional"),
        ("2.2", "first", "transactional"),
        ("2.3", "second", "transactional"),
    ]


async def test_c9_a_hook_without_handlers_is_nothing(scope: Scope):
    assert await hooked(hook("slot-taken", Slot)).run(scope, Slot(name="a")) == "a"

    assert await commits(scope) == 1


async def test_a_handler_that_fails_is_followed_by_none_and_the_others_are_undone(scope: Scope, calls: Calls):
    taken = hook("slot-taken", Slot)
    add_handler(taken, "first", 1)
    add_handler(taken, "failing", 2, fails=True)
    add_handler(taken, "last", 3)

    with pytest.raises(SlotForbidden):
        await hooked(taken).run(scope, Slot(name="a"))

    assert calls == ["take a", "first a", "failing a", "undo first a", "give back a"]
    assert await slots(scope) == []


def changing(taken: Hook[Slot], change: str) -> Workflow[Slot, str]:
    """A workflow whose hook has other handlers when its body comes back to it."""
    passes: list[int] = []

    @workflow("take-while-changing", version=1)
    async def take_while_changing(data: Slot) -> str:
        passes.append(1)
        slot = await take_slot(data)
        where = taken
        if len(passes) > 1 and change == "added":
            add_handler(taken, "new", 0)
        elif len(passes) > 1:
            where = hook("slot-taken", Slot)
        await where(slot)
        await take_slot(Slot(name="z"))
        return slot.name

    return take_while_changing


async def test_a_handler_that_is_new_is_not_called_in_an_old_run(far: Scope, scope: Scope, proxy: Proxy, calls: Calls):
    taken = hook("slot-taken", Slot)
    add_handler(taken, "first", 1)
    proxy.spoils = [Spoil.PASS, Spoil.PASS, Spoil.CUT_BEFORE]

    await changing(taken, "added").run(far, Slot(name="a"))

    assert calls == ["take a", "first a", "take z", "take z"]


async def test_a_handler_that_is_missing_parks_an_old_run(far: Scope, scope: Scope, proxy: Proxy):
    taken = hook("slot-taken", Slot)
    add_handler(taken, "first", 1)
    proxy.spoils = [Spoil.PASS, Spoil.PASS, Spoil.CUT_BEFORE]

    with pytest.raises(Nondeterministic, match="hook slot-taken at 2 has no handler 'first' here"):
        await changing(taken, "removed").run(far, Slot(name="a"))

    assert await runs(scope) == [("take-while-changing", "nondeterministic", None)]


def test_two_handlers_with_one_id_are_refused():
    taken = hook("slot-taken", Slot)
    add_handler(taken, "first", 1)

    with pytest.raises(ConfigurationError, match="two handlers of hook slot-taken have the id 'first'"):
        add_handler(taken, "first", 2)


async def test_a_hook_is_given_what_can_be_stored(scope: Scope):
    taken = hook("slot-taken", Slot)

    @step("read")
    async def read(ctx: StepContext) -> None: ...

    @workflow("tell-badly", version=1)
    async def tell_badly(data: None) -> None:
        await read()
        await taken(Slot(name="\0"))

    with pytest.raises(Exception, match="the input of hook slot-taken cannot be stored"):
        await tell_badly.run(scope, None)
