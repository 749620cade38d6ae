"""What an application knows of steps: those that are given, those near its workflows, and handlers of hooks."""

import pytest

from core.errors import ConfigurationError
from core.workflow import StepContext, hook, step, workflow
from core.workflow.definition import Definition
from core.workflow.registry import Registry

from .slots import Slot, count_slots, fail, give_slot_back, take_one, take_slot


def test_knows_the_steps_of_the_module_of_a_workflow():
    registry = Registry([take_one])

    assert registry.steps["take-slot"] is take_slot
    assert registry.steps["take-slot"].undo is give_slot_back
    assert {"count-slots", "fail"} <= {*registry.steps}
    assert {count_slots, fail} <= {*registry.steps.values()}


def test_knows_the_steps_in_the_closure_of_a_body():
    @step("near")
    async def near(ctx: StepContext) -> None: ...

    @workflow("use-near", version=1)
    async def use_near(data: None) -> None:
        await near()

    assert Registry([use_near]).steps["near"] is near


def test_knows_the_handlers_of_hooks():
    taken = hook("slot-taken", Slot)

    @taken.handler("greet")
    async def greet(ctx: StepContext, slot: Slot) -> None: ...

    assert Registry([], [taken]).steps == {"greet": greet}


def test_two_hooks_with_one_id_stop_the_start():
    with pytest.raises(ConfigurationError, match="two hooks have the id 'slot-taken'"):
        Registry([], [hook("slot-taken", Slot), hook("slot-taken", Slot)])


def test_l1_two_steps_with_one_id_stop_the_start():
    @step("take-slot")
    async def impostor(ctx: StepContext) -> None: ...

    with pytest.raises(ConfigurationError, match="two steps have the id 'take-slot'"):
        Registry([take_one], [impostor])


def test_a_step_with_other_options_is_the_same_step():
    assert Registry([], [take_slot, take_slot.with_options()]).steps == {"take-slot": take_slot}


def test_knows_each_version_of_a_workflow_and_no_other():
    def version(number: int) -> Definition[None, None]:
        @workflow("many", version=number)
        async def many(data: None) -> None: ...

        return many

    first, third, second = version(1), version(3), version(2)
    registry = Registry([first, third, second])

    assert registry.definition("many", 2) is second
    with pytest.raises(ConfigurationError, match="there is no workflow 'many' in version 4"):
        registry.definition("many", 4)


def test_a_name_in_the_closure_that_is_bound_later_does_no_harm():
    @workflow("use-later", version=1)
    async def use_later(data: None) -> None:
        await later()

    registry = Registry([use_later])

    @step("later")
    async def later(ctx: StepContext) -> None: ...

    assert "later" not in registry.steps
