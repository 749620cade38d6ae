"""What the project promises about its own text: short files, short functions, names that can be read."""

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ["core", "modules", "workflows", "links", "api", "jobs"]
LONGEST_FILE = 500
README_PATH = re.compile(r"`([\w./-]+(?:/|\.py|\.md|\.toml))`|\]\(([\w./-]+)\)")


def tracked(pattern: str) -> list[Path]:
    """The files of the repository that match."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).exists()]


def sources(*folders: str) -> list[Path]:
    """Python files in these folders that hold any code."""
    found = [path for folder in folders for path in tracked(f"{folder}/**/*.py") + tracked(f"{folder}/*.py")]
    return sorted({path for path in found if path.read_text().strip()})


def line_count(path: Path) -> int:
    return len(path.read_text().splitlines())


def functions(paths: list[Path]) -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node


def percentile(values: list[int], share: float) -> int:
    return sorted(values)[int(len(values) * share)]


def test_files_are_short() -> None:
    lengths = {path: line_count(path) for path in sources(*FOLDERS)}
    assert statistics.median(lengths.values()) <= 100
    assert percentile(list(lengths.values()), 0.9) <= 300
    assert [path for path, length in lengths.items() if length > LONGEST_FILE] == []
    assert [path for path in sources("tests", "bench") if line_count(path) > LONGEST_FILE] == []


def test_functions_are_short() -> None:
    lengths = [(node.end_lineno or 0) - node.lineno + 1 for _, node in functions(sources(*FOLDERS))]
    assert statistics.median(lengths) <= 10
    assert percentile(lengths, 0.9) <= 35


def test_there_is_more_test_than_source() -> None:
    written = sum(map(line_count, sources(*FOLDERS)))
    assert sum(map(line_count, sources("tests"))) >= 1.2 * written


def test_test_names_are_sentences() -> None:
    names = [node.name for _, node in functions(sources("tests")) if node.name.startswith("test_")]
    assert [name for name in names if len(name.split("_")) < 3] == []


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {path.parent for path in sources("tests") if path.name.startswith("test_")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_migrations_are_numbered_and_say_what_they_do() -> None:
    migrations = [path for path in sources(*FOLDERS) if path.parent.name == "migrations" and path.stem != "__init__"]
    assert migrations
    assert [path for path in migrations if not re.fullmatch(r"\d{4}_[a-z]+(_[a-z]+)+", path.stem)] == []


def test_every_ignored_rule_has_a_code() -> None:
    bare = re.compile(r"# (noqa(?!: ?[A-Z])|type: ignore(?!\[)|pyright: ignore(?!\[))")
    # This file holds the pattern itself.
    guilty = [
        path for path in sources(*FOLDERS, "tests", "bench") if path != Path(__file__) and bare.search(path.read_text())
    ]
    assert guilty == []


def test_every_ignored_rule_of_the_source_has_a_reason() -> None:
    bare = re.compile(r"# (?:noqa: ?|type: ignore\[|pyright: ignore\[)\w+\b\]?(?!,? \(?[A-Za-z']+ )")
    assert bare.search("# noqa: S105")
    assert [path for path in sources(*FOLDERS) if bare.search(path.read_text())] == []


def test_lock_files_name_no_address() -> None:
    locks = tracked("*.lock")
    assert locks
    assert [lock for lock in locks if "://" in lock.read_text()] == []


@pytest.mark.parametrize("folder", [*FOLDERS, "tests", "bench"])
def test_the_readme_of_a_folder_names_what_exists(folder: str) -> None:
    readme = ROOT / folder / "README.md"
    named = {match[0] or match[1] for match in README_PATH.findall(readme.read_text())}
    missing = [name for name in named if not (ROOT / name).exists() and not any((ROOT / folder).rglob(name.strip("/")))]
    assert missing == []


def test_the_front_page_links_to_what_exists() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []
