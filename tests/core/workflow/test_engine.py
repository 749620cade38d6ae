"""Where a run may start, what its steps are given, and how an application closes over running runs."""

import asyncio
import gc
from contextlib import suppress
from datetime import timedelta
from typing import cast
from weakref import ref

import pytest

from core.app import Application
from core.container import Scope
from core.errors import Busy, ConfigurationError, HoldfastError, InvalidData, NoTransaction, OutcomeUnknown
from core.workflow import RunInsideTransaction, StepContext, StepOutsideBody, Workflow, step, workflow

from .conftest import application_at
from .slots import ALL, Calls, Names, Slot, SlotForbidden, runs, slots, take_one, take_slot


async def test_a_workflow_does_not_run_inside_a_transaction(scope: Scope, calls: Calls):
    async with scope.transaction():
        with pytest.raises(RunInsideTransaction, match="take-one"):
            await take_one.run(scope, Slot(name="a"))

    assert calls == []


async def test_a_workflow_does_not_run_inside_a_transactional_step(scope: Scope, calls: Calls):
    @step("run-another")
    async def run_another(ctx: StepContext) -> None:
        await take_one.run(ctx.scope, Slot(name="a"))

    @workflow("nest", version=1)
    async def nest(data: None) -> None:
        await run_another()

    with pytest.raises(RunInsideTransaction):
        await nest.run(scope, None)

    assert calls == []


async def test_a_workflow_does_not_run_inside_a_body(scope: Scope, calls: Calls):
    @workflow("nest", version=1)
    async def nest(data: None) -> None:
        await take_one.run(scope, Slot(name="a"))

    with pytest.raises(StepOutsideBody, match="take-one"):
        await nest.run(scope, None)

    assert calls == []


async def test_a_step_never_sees_the_scope_of_its_caller(scope: Scope):
    seen: list[Scope] = []

    @step("look")
    async def look(ctx: StepContext) -> None:
        seen.append(ctx.scope)

    @step("peek", read=True)
    async def peek(ctx: StepContext) -> None:
        seen.append(ctx.scope)

    @workflow("look-twice", version=1)
    async def look_twice(data: None) -> None:
        await look()
        await look()
        await peek()

    await look_twice.run(scope, None)

    assert len({id(own) for own in [scope, *seen]}) == 4
    assert len({id(own.session) for own in [scope, *seen]}) == 4
    assert [own.session.in_transaction for own in seen] == [True, True, False]


async def test_a_step_is_told_who_asks(app: Application):
    @step("look")
    async def look(ctx: StepContext) -> dict[str, str]:
        return dict(ctx.context)

    @workflow("look", version=1)
    async def look_once(data: None) -> dict[str, str]:
        return await look()

    async with app.scope(context={"request_id": "r1", "locale": "de"}) as scope:
        assert await look_once.run(scope, None, context={"locale": "en"}) == {"locale": "en", "request_id": "r1"}
        assert await scope.session.sql("SELECT context ->> 'locale' FROM workflow_run") == [("en",)]


async def test_the_context_of_a_run_is_text(scope: Scope):
    for wrong in ({"a": 1}, {"a": None}, {1: "a"}):
        with pytest.raises(InvalidData, match="the context of a run of take-one has text alone"):
            await take_one.run(scope, Slot(name="a"), context=cast("dict[str, str]", wrong))
    assert await runs(scope) == []


async def test_a_read_step_cannot_write(scope: Scope):
    @step("peek", read=True)
    async def peek(ctx: StepContext) -> None:
        async with ctx.scope.transaction():
            pass

    @step("lock", read=True)
    async def lock(ctx: StepContext) -> None:
        await ctx.lock("a")

    @step("run", read=True)
    async def run(ctx: StepContext) -> None:
        await take_one.run(ctx.scope, Slot(name="a"))

    @workflow("peek", version=1)
    async def peek_once(data: int) -> None:
        await [peek, lock, run][data]()

    for data in range(3):
        with pytest.raises(NoTransaction):
            await peek_once.run(scope, data)
    assert await slots(scope) == []


async def test_l1_two_workflows_with_one_id_stop_the_start(url: str, calls: Calls):
    @workflow("take-one", version=1)
    async def impostor(data: None) -> None: ...

    @workflow("take-one", version=2)
    async def successor(data: None) -> None: ...

    def put_together(*extra: Workflow[None, None]) -> Application:
        return Application(application_at(url, calls).config, modules=[], workflows=[*ALL, *extra])

    put_together(successor)
    with pytest.raises(ConfigurationError, match="two workflows have the id 'take-one', version 1"):
        put_together(impostor)


async def test_a_workflow_or_a_step_without_annotations_is_refused(scope: Scope):
    @step("untold")
    async def untold(ctx: StepContext):
        return 1

    @workflow("call-untold", version=1)
    async def call_untold(data: None) -> int:
        return await untold()

    @workflow("two-arguments", version=1)  # pyright: ignore[reportArgumentType]
    async def two_arguments(data: None, more: None) -> None: ...

    with pytest.raises(ConfigurationError, match="workflow two-arguments takes exactly one annotated argument"):
        await two_arguments.run(scope, None)
    with pytest.raises(Exception, match="step untold needs a return annotation"):
        await call_untold.run(scope, None)


def test_a_step_has_one_compensation():
    @step("take")
    async def take(ctx: StepContext) -> str:
        return ""

    @take.compensate
    async def give_back(ctx: StepContext, name: str) -> None: ...

    with pytest.raises(ConfigurationError, match="step take has a compensation already"):
        take.compensate(give_back)


class Gate:
    """A step that stands still until it is let go."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.open = asyncio.Event()

    async def pass_through(self) -> None:
        self.arrived.set()
        await self.open.wait()


def gated(gate: Gate) -> Workflow[Names, list[str]]:
    @step("pass")
    async def pass_gate(ctx: StepContext) -> None:
        await gate.pass_through()

    @workflow("take-and-pass", version=1)
    async def take_and_pass(data: Names) -> list[str]:
        for name in data.names:
            await take_slot(Slot(name=name))
        await pass_gate()
        return data.names

    return take_and_pass


async def test_closing_waits_for_running_runs_and_takes_no_new_ones(app: Application, scope: Scope):
    gate = Gate()
    run = asyncio.create_task(gated(gate).run(scope, Names(["a"])))
    await gate.arrived.wait()

    closing = asyncio.create_task(app.workflows.close(5))
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="shutting down"):
        await take_one.run(scope, Slot(name="b"))
    assert not closing.done()
    gate.open.set()

    assert await run == ["a"]
    await closing
    assert await slots(scope) == ["a"]


async def test_closing_stops_what_does_not_end_in_time(app: Application, scope: Scope):
    gate = Gate()
    run = asyncio.create_task(gated(gate).run(scope, Names(["a"])))
    await gate.arrived.wait()

    await app.workflows.close(0.01)

    with pytest.raises(OutcomeUnknown, match="interrupted"):
        await run
    # The first step is durable, the second one left nothing: a process that takes the run over goes on from here.
    assert await slots(scope) == ["a"]
    assert await runs(scope) == [("take-and-pass", "running", None)]


class Local:
    """Something that a body holds."""


async def test_what_a_failed_run_held_is_free_without_the_garbage_collector(scope: Scope):
    held: list[ref[Local]] = []

    @workflow("hold-and-fail", version=1)
    async def hold_and_fail(data: Names) -> None:
        local = Local()
        held.append(ref(local))
        for name in data.names:
            await take_slot(Slot(name=name))
        raise SlotForbidden

    gc.collect()
    gc.disable()
    try:
        for names in ([], ["a"], ["a", "a"]):
            with suppress(HoldfastError):
                await hold_and_fail.run(scope, Names(names))
        assert [one() for one in held] == [None] * 3
    finally:
        gc.enable()


def test_a_keyed_run_is_remembered_for_a_day_at_least():
    assert take_one.retention == timedelta(days=7)
    assert take_one.kept_for(keyed=True) == timedelta(days=7)

    @workflow("forgetful", version=1, retention=timedelta(0))
    async def forgetful(data: None) -> None: ...

    assert forgetful.kept_for(keyed=False) == timedelta(0)
    assert forgetful.kept_for(keyed=True) == timedelta(hours=24)
