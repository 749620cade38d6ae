"""Steps that nobody registers, and workflows and functions that lead to them."""

from core.workflow import StepContext, hook, step, workflow
from core.workflow.call import Call


@step("far-step")
async def far_step(ctx: StepContext) -> str:
    return "far"


@step("far-in-a-class")
async def far_in_a_class(ctx: StepContext) -> None: ...


@step("far-in-a-list")
async def far_in_a_list(ctx: StepContext) -> None: ...


FAR = [far_in_a_list]
far_hook = hook("far-hook", str)


@far_hook.handler("far-handler")
async def far_handler(ctx: StepContext, data: str) -> None: ...


class Far:
    """A namespace of calls."""

    @staticmethod
    def call() -> Call[None]:
        """Make a call without awaiting it."""
        return far_in_a_class()


async def in_the_far() -> None:
    """A function that a body may use."""
    await Far.call()
    for each in FAR:
        await each()


@workflow("far-child", version=1)
async def far_child(data: None) -> str:
    return await far_step()
