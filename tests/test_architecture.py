"""The import rules hold, and each of them catches what it is there for."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = PYPROJECT["tool"]["importlinter"]["root_packages"]
NAMES: dict[str, str] = {
    contract["id"]: contract["name"] for contract in PYPROJECT["tool"]["importlinter"]["contracts"]
}
SEEDS = {
    "layers": {"core/seeded.py": "import links"},
    "independence": {"modules/seeded/__init__.py": "import modules.other", "modules/other/__init__.py": ""},
    "protected": {
        "modules/seeded/__init__.py": "",
        "modules/seeded/service.py": "",
        "links/seeded.py": "import modules.seeded.service",
    },
    "forbidden": {"workflows/seeded.py": "import litestar"},
    "acyclic_siblings": {"core/seeded.py": "import core.other", "core/other.py": "import core.seeded"},
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the project to spoil."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def lint(tree: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def broken(output: str) -> set[str]:
    # a long name is wrapped, so compare without white space
    packed = "".join(output.split())
    return {contract for contract, name in NAMES.items() if "".join(name.split()) + "BROKEN" in packed}


def test_the_import_rules_hold() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout


def test_every_rule_has_a_violation_to_catch() -> None:
    assert set(SEEDS) == set(NAMES)


@pytest.mark.parametrize("contract", SEEDS)
def test_a_violation_is_caught(tree: Path, contract: str) -> None:
    for file, text in SEEDS[contract].items():
        path = tree / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    result = lint(tree)
    assert result.returncode == 1
    assert broken(result.stdout) == {contract}


def test_no_source_file_is_longer_than_500_lines() -> None:
    files = [file for folder in (*PACKAGES, "bench", "tests") for file in (ROOT / folder).rglob("*.py")]
    assert [str(file) for file in files if len(file.read_text().splitlines()) > 500] == []
