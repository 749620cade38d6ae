"""What a body logs breaks nothing, whatever its fields are called and whatever they are."""

import pytest
from structlog.testing import capture_logs

from core.container import Scope
from core.workflow import Runs, StepContext, log, step, workflow

from .slots import Calls, Slot, runs, slots, take_slot


@step("send-once", external=True)
async def send_once(ctx: StepContext) -> None:
    ctx.resolve(Calls).append("send")


@workflow("talk-of-workflows", version=1)
async def talk_of_workflows(data: None) -> None:
    log.info("booked", run_id="mine", workflow="hold", event="sold", self="me", method_name="it")
    await take_slot(Slot(name="a"))
    await send_once()
    await send_once()


async def test_a_body_may_log_fields_of_any_name(scope: Scope, calls: Calls):
    with capture_logs() as lines:
        await talk_of_workflows.run(scope, None, key="k")

    assert calls == ["take a", "send", "send"]
    assert await runs(scope) == [("talk-of-workflows", "done", "k")]
    [run] = await scope.resolve(Runs).list()
    assert [line for line in lines if line["event"] == "booked"] == [
        {
            "event": "booked",
            "log_level": "info",
            "run_id": run.id,
            "workflow": "talk-of-workflows",
            "run_id_": "mine",
            "workflow_": "hold",
            "event_": "sold",
            "self_": "me",
            "method_name_": "it",
        }
    ]


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


@workflow("talk-brokenly", version=1)
async def talk_brokenly(data: None) -> str:
    log.info("broken", value=Unspeakable())
    log.info("whole")
    await take_slot(Slot(name="a"))
    await take_slot(Slot(name="b"))
    return "done"


async def test_a_line_that_cannot_be_written_says_so_and_all_else_goes_on(
    scope: Scope, calls: Calls, capsys: pytest.CaptureFixture[str]
):
    assert await talk_brokenly.run(scope, None) == "done"

    assert calls == ["take a", "take b"]
    assert await slots(scope) == ["a", "b"]
    said = capsys.readouterr().out
    assert said.index("line_lost") < said.index("whole")
    assert "no words" in said
