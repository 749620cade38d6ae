from pathlib import Path

from .conftest import Holdfast

SCRIPT = """
from tests.core.cli.toys import CreateToy, ToyService

async def main(scope, *names):
    async with scope.transaction():
        for name in names:
            await scope.resolve(ToyService).toys.create([CreateToy(name=name)])
    print([toy.name for toy in await scope.resolve(ToyService).toys.list({})])
"""


def test_runs_a_script_in_a_scope_of_the_shop(holdfast: Holdfast, toys_database_url: str, tmp_path: Path):
    (tmp_path / "script.py").write_text(SCRIPT)

    result = holdfast("exec", "script.py", "bear", "--car", DATABASE_URL=toys_database_url)

    assert result.stdout == "['bear', '--car']\n"


def test_refuses_a_script_without_a_main(holdfast: Holdfast, toys_database_url: str, tmp_path: Path):
    (tmp_path / "script.py").write_text("def main(scope): ...")

    result = holdfast("exec", "script.py", DATABASE_URL=toys_database_url)

    assert result.stderr == "holdfast: script.py has no `async def main(scope)`\n"
    assert result.exit_code == 1
