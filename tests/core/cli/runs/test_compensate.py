"""`holdfast runs compensate`."""

from .conftest import Holdfast
from .states import calls, parked, unknown


async def test_gives_up_a_parked_run(holdfast: Holdfast, url: str):
    id = await parked(url)
    result = holdfast("compensate", id)
    assert result.returncode == 0
    assert result.stdout.startswith(f"run {id} is compensated: ")
    assert calls() == ["pack glass", "unpack glass"]


async def test_gives_up_a_run_that_has_no_code(holdfast: Holdfast, url: str):
    id = await unknown(url)
    assert holdfast("compensate", id).stdout.startswith(f"run {id} is compensated: ")
    assert calls() == ["pack lace", "pack lace", "unpack lace", "unpack lace"]
