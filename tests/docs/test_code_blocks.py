"""Every code block of the documentation runs as it is printed."""

import ast
import inspect
import re
import shlex
import tomllib
from collections.abc import Awaitable
from datetime import date, timedelta
from pathlib import Path
from types import CodeType
from typing import Any, cast

import msgspec
import pytest

from core import Application, Scope
from core.testing import application_on
from modules.booking import SlotUnavailable

from .held import two_chairs

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(page for page in ROOT.glob("*/README.md") if not page.parts[-2].startswith(".")),
    *sorted((ROOT / "modules").glob("*/README.md")),
    *sorted((ROOT / "docs").glob("**/*.md")),
]
TUTORIAL = ROOT / "docs" / "links-and-query.md"
"""Its files and commands are those of `test_tutorial.py`."""
OPERATIONS = ROOT / "docs" / "operations.md"
"""Its commands are run by `test_operations.py`."""
FILE = re.compile(r"# ([\w./-]+\.(?:py|toml))\n")
"""How a block begins that is a file."""
CHECKED = {"python", "sh", "toml", ""}
# Short pages show a fragment of a file; this is what that file would import, or what the reader has at hand.
GIVEN = {
    "core": "from modules.booking import BookingService",
    "api": """
from litestar import get
from litestar.params import FromPath
from api.deps import Container
from api.openapi import refusals
from api.views import StaffView
from core.errors import NotFound
from modules.booking import STAFF
import msgspec
class OneStaff(msgspec.Struct):
    staff: StaffView
""",
    "jobs": """
from core.job import Tick, job
from core.workflow import StepContext, log, step
from modules.booking import BookingService
""",
    "links": """
from modules.booking import SERVICE, BookingService, CreateService
from modules.product import CreateProduct, ProductService, ProductStatus
async with scope.transaction():
    [haircut] = await scope.resolve(BookingService).services.create([CreateService(name="Haircut", price=2500)])
    [product] = await scope.resolve(ProductService).products.create(
        [CreateProduct(title="Haircut", status=ProductStatus.PUBLISHED)]
    )
""",
    "tests": """
from datetime import timedelta
from core import Application
from core.testing import ServerProcess, move_clock
from core.testing.processes import answers
""",
    "workflows": """
from core.workflow import workflow
from modules.booking import Booking
from tests.docs.held import held_booking
from workflows.booking import CancelBooking
from workflows.booking.steps import cancel_live_booking
held = await held_booking(scope)
""",
}


def blocks(page: Path, kind: str) -> list[str]:
    """The blocks of a page in one language."""
    return [body for language, body in BLOCK.findall(page.read_text()) if language == kind]


def compiled(body: str, page: Path) -> CodeType:
    """A block as code that may await at its top level."""
    return compile(body, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


async def run(body: str, page: Path, names: dict[str, Any]) -> None:
    """Run one block in the names of its page."""
    result = eval(compiled(body, page), names)
    if inspect.isawaitable(result):
        await cast("Awaitable[None]", result)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: str(page.relative_to(ROOT))
)
async def test_python_blocks_run(page: Path, application: Application, scope: Scope, database_url: str) -> None:
    today = date.today()
    names: dict[str, Any] = {
        "__name__": f"page_{page.stem}",
        "app": application,
        "scope": scope,
        "database_url": database_url,
        "application_on": application_on,
        "next_monday": today + timedelta(days=14 - today.weekday()),
    }
    given = GIVEN.get(page.parent.name, "") if page.name == "README.md" else ""
    for body in [given, *blocks(page, "python")]:
        if not FILE.match(body):
            await run(body, page, names)


def test_a_block_that_fails_is_noticed() -> None:
    with pytest.raises(AssertionError):
        eval(compiled("assert 1 == 2", ROOT / "README.md"))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "toml")], ids=lambda page: str(page.relative_to(ROOT))
)
def test_toml_blocks_are_configuration(page: Path) -> None:
    for body in blocks(page, "toml"):
        assert tomllib.loads(body)


def test_only_languages_that_are_checked_are_used() -> None:
    used = {language for page in PAGES for language, _ in BLOCK.findall(page.read_text())}
    assert used <= CHECKED


async def test_the_example_of_the_readme_gives_the_first_chair_back(application: Application, scope: Scope) -> None:
    names: dict[str, Any] = {"__name__": "readme"}
    for body in blocks(ROOT / "README.md", "python"):
        await run(body, ROOT / "README.md", names)
    first, second = await two_chairs(scope)
    booked = await names["book"](scope, [first, second], "a-key-of-sixteen")
    assert len(set(booked)) == 2
    assert await names["book"](scope, [first, second], "a-key-of-sixteen") == booked
    later = msgspec.structs.replace(first, start_at=first.start_at + timedelta(hours=1))
    with pytest.raises(SlotUnavailable):
        await names["book"](scope, [later, second], "another-key-of-sixteen")
    assert await names["book"](scope, [later], "a-third-key-of-sixteen")


def test_commands_in_the_pages_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in set(PAGES) - {TUTORIAL, OPERATIONS}:
        for line in "".join(blocks(page, "sh")).splitlines():
            words = shlex.split(line, comments=True)
            assert not words or words[0] == "curl" or (words[0] == "make" and words[1] in targets), f"{page}: {line}"
