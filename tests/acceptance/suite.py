"""What pytest finds in a suite, and what must not be there: nothing, a skip, an expected failure, a gap."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

EVASIONS = {"skip", "skipif", "skipIf", "skipUnless", "SkipTest", "importorskip", "xfail", "expectedFailure"}

PLUGIN = "anyio.pytest_plugin"
"""Collecting needs no other than this, whose settings the project has."""


def flaws(root: Path, paths: Sequence[str], seed_ids: Iterable[str]) -> list[str]:
    """Return what is wrong with the suite at `paths` under `root`, which has to hold a test for each id."""
    names = collected(root, paths)
    found = [] if names else ["no test"]
    found += [f"no test {seed_id}" for seed_id in seed_ids if not any(_is_of(seed_id, name) for name in names)]
    return found + [f"{file.name}: {word}" for file in _sources(root, paths) for word in sorted(_evasions(file))]


def seed_ids(milestone: int, count: int) -> list[str]:
    """Return the ids of a milestone's tests."""
    return [f"m{milestone}_t{number}" for number in range(1, count + 1)]


def collected(root: Path, paths: Sequence[str]) -> list[str]:
    """Return the names of the tests that pytest would run; none if it cannot collect them all."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # importing them takes seconds
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", PLUGIN, "--collect-only", "-q", *paths],
        cwd=root,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = answer.stdout.splitlines() if answer.returncode == 0 else []
    return [line.split("::")[-1] for line in lines if "::" in line]


def _is_of(seed_id: str, name: str) -> bool:
    return name.startswith(f"test_{seed_id}_")


def _sources(root: Path, paths: Sequence[str]) -> list[Path]:
    """Return the files of the suite, and what `conftest.py` adds to them from above."""
    places = [root / path for path in paths]
    files = {file for place in places for file in (place.rglob("*.py") if place.is_dir() else [place])}
    above = {folder / "conftest.py" for place in places for folder in place.parents if folder.is_relative_to(root)}
    return sorted(file for file in files | above if file.exists())


def _evasions(file: Path) -> set[str]:
    """Return the names in the code that keep a test from being run or from failing."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {node.id for node in nodes if isinstance(node, ast.Name)}
    return EVASIONS & (names | {node.name for node in nodes if isinstance(node, ast.alias)})
