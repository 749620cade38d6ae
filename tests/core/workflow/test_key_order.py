"""A body that walks over a dictionary sees its keys in one order, whether the journal has it yet or not."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from core.container import Scope
from core.testing import replay_after_every_call
from core.workflow import StepContext, sleep, step, workflow
from core.workflow.codec import encode

from .slots import Slot, slots, take_slot


class Room(msgspec.Struct, frozen=True, tag=True):
    wall: str = "w"
    length: str = "l"
    floor: str = "f"


@dataclass
class Flat:
    wall: str = "w"
    floor: str = "f"


@step("give-room", read=True)
async def give_room(ctx: StepContext) -> dict[str, Any]:
    return {"room": Room()}


@workflow("walk-over-a-result", version=1)
async def walk_over_a_result(data: None) -> list[str]:
    return await take_all((await give_room())["room"])


@workflow("walk-over-an-input", version=1)
async def walk_over_an_input(data: Any) -> list[str]:
    return await take_all(data)


async def take_all(room: dict[str, str]) -> list[str]:
    for name in room:
        await take_slot(Slot(name=name))
        await sleep(timedelta(0))
    return list(room)


@pytest.fixture
def replaying() -> Iterator[None]:
    with replay_after_every_call():
        yield


@pytest.mark.usefixtures("replaying")
async def test_a_result_has_one_order_at_every_replay(scope: Scope):
    assert await walk_over_a_result.run(scope, None) == ["floor", "length", "type", "wall"]
    assert await slots(scope) == ["floor", "length", "type", "wall"]


@pytest.mark.parametrize("data", [Room(), Flat(), {"wall": 1, "floor": 2}], ids=lambda data: type(data).__name__)
async def test_an_input_has_one_order_at_every_replay(scope: Scope, data: Any):
    assert await walk_over_an_input.run(scope, data) == sorted(await slots(scope))


@pytest.mark.parametrize("value", [Room(), Flat(), {3: Room(), 1: Flat()}], ids=lambda value: type(value).__name__)
def test_what_is_encoded_is_as_it_will_be_read_back(value: object):
    encoded = encode(value, "the value")
    assert encode(msgspec.json.decode(encoded), "the value") == encoded
