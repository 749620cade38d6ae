"""A replayed body that does something else than the journal says parks its run."""

from contextlib import suppress

import msgspec
import pytest

from core.container import Scope
from core.errors import InvalidData
from core.workflow import IdempotencyMismatch, Nondeterministic, StepContext, UnstorableResult, parallel, step, workflow

from .proxy import Proxy, Spoil
from .slots import Calls, Slot, count_slots, runs, slots, take_slot

PASSES: list[int] = []


@workflow("waver", version=1)
async def waver(data: str) -> None:
    """Take `a` and `b`; from the second pass on do what `data` says at first."""
    PASSES.append(1)
    if len(PASSES) == 1 or data == "same":
        await take_slot(Slot(name="a"))
    elif data == "other step":
        await count_slots()
    elif data == "other input":
        await take_slot(Slot(name="x"))
    elif data == "nothing":
        return
    elif data == "error":
        raise ZeroDivisionError
    await take_slot(Slot(name="b"))


@pytest.fixture(autouse=True)
def passes() -> list[int]:
    PASSES.clear()
    return PASSES


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ("other step", "step at 1: the journal has take-slot, the body count-slots"),
        ("other input", "input_hash at 1: the journal has"),
        ("nothing", "the journal has 1, which the body did not call"),
        ("error", "the journal has 1, which the body did not call"),
    ],
)
async def test_a_body_that_changes_its_mind_parks_the_run(
    far: Scope, scope: Scope, proxy: Proxy, calls: Calls, change: str, shown: str
):
    proxy.spoils = [Spoil.PASS, Spoil.CUT_BEFORE]

    with pytest.raises(Nondeterministic) as caught:
        await waver.run(far, change, key="k")

    assert shown in caught.value.detail
    assert caught.value.data["path"] == "1"
    assert caught.value.data["journal"] != caught.value.data["body"]
    assert calls == ["take a", "take b"]
    assert await slots(scope) == ["a"]
    assert await runs(scope) == [("waver", "nondeterministic", "k")]
    [(stored,)] = await scope.session.sql("SELECT error ->> 'detail' FROM workflow_run")
    assert stored == caught.value.detail


async def test_a_body_that_stays_the_same_goes_on(far: Scope, scope: Scope, proxy: Proxy, calls: Calls):
    proxy.spoils = [Spoil.PASS, Spoil.CUT_BEFORE]

    await waver.run(far, "same")

    assert calls == ["take a", "take b", "take b"]
    assert await runs(scope) == [("waver", "done", None)]


async def test_a_dictionary_has_the_same_order_when_it_is_read_back(far: Scope, scope: Scope, proxy: Proxy):
    """PostgreSQL's jsonb sorts keys by length; a body that walks over them must not notice."""

    @step("number")
    async def number(ctx: StepContext, data: dict[str, int]) -> dict[str, int]:
        return data

    @workflow("walk", version=1)
    async def walk(data: dict[str, int]) -> list[str]:
        taken = await number(data)
        for name in taken:
            await take_slot(Slot(name=f"again {name}"))
        return [*taken]

    proxy.spoils = [Spoil.PASS, Spoil.PASS, Spoil.CUT_BEFORE]

    assert await walk.run(far, {"b": 1, "aa": 2}) == ["aa", "b"]
    assert await runs(scope) == [("walk", "done", None)]


async def test_a_call_that_was_refused_at_first_and_is_not_now_parks_the_run(
    far: Scope, scope: Scope, proxy: Proxy, calls: Calls
):
    @workflow("mend", version=1)
    async def mend(data: None) -> None:
        PASSES.append(1)
        with suppress(UnstorableResult):
            await take_slot(Slot(name="a\0" if len(PASSES) == 1 else "a"))
        await take_slot(Slot(name="b"))
        await take_slot(Slot(name="c"))

    proxy.spoils = [Spoil.PASS, Spoil.CUT_BEFORE]

    with pytest.raises(Nondeterministic, match="the journal has 2, which the body did not call"):
        await mend.run(far, None)

    assert calls == ["take b", "take c"]
    assert await slots(scope) == ["b"]


async def test_a_call_that_is_refused_at_every_replay_does_not_park_the_run(far: Scope, scope: Scope, proxy: Proxy):
    @workflow("insist", version=1)
    async def insist(data: None) -> None:
        with suppress(UnstorableResult):
            await take_slot(Slot(name="a\0"))
        with suppress(UnstorableResult):
            await parallel(take_slot(Slot(name="x")), take_slot(Slot(name="a\0")))
        with suppress(InvalidData):
            await child(3)  # pyright: ignore[reportArgumentType]
        await take_slot(Slot(name="b"))
        await take_slot(Slot(name="c"))

    @workflow("child", version=1)
    async def child(data: str) -> None: ...

    proxy.spoils = [Spoil.PASS, Spoil.CUT_BEFORE]

    await insist.run(far, None)

    assert await slots(scope) == ["b", "c"]
    assert await runs(scope) == [("insist", "done", None)]


async def test_a_struct_that_omits_defaults_gains_a_field_and_is_the_same_input(scope: Scope):
    class Before(msgspec.Struct, omit_defaults=True):
        name: str

    class After(msgspec.Struct, omit_defaults=True):
        name: str
        note: str = ""

    @step("read-name", read=True)
    async def read_name(ctx: StepContext, offer: Before | After) -> str:
        return offer.name

    @workflow("read-name", version=1)
    async def before(data: Before) -> str:
        return await read_name(data)

    @workflow("read-name", version=2)
    async def after(data: After) -> str:
        return await read_name(data)

    assert await before.run(scope, Before("a"), key="k") == "a"
    assert await after.run(scope, After("a"), key="k") == "a"
    assert scope.replayed
    with pytest.raises(IdempotencyMismatch):
        await after.run(scope, After("a", "new"), key="k")
