"""The tutorial that adds a module and a link, performed as it is written: in the project, and as a plugin."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.config import Config

from .test_code_blocks import BLOCK, FILE, ROOT, TUTORIAL, blocks

BIN = Path(sys.executable).parent
PACKAGES = ("core", "modules", "workflows", "links", "api", "jobs")
PLUGIN = Path("holdfast-reviews/holdfast_reviews")
LONGER_NAMES = {name: f"from holdfast_reviews.{name}" for name in ("modules.review", "links.booking_review")}
FOUND = {"stars": 5, "text": "As ever!", "booking": {"customer_name": "Kim", "service": {"name": "Haircut"}}}


def part(title: str) -> list[tuple[str, str]]:
    """The blocks under a heading, with their languages."""
    text = re.split(rf"^### {title}$", TUTORIAL.read_text(), flags=re.MULTILINE)[1]
    return BLOCK.findall(re.split(r"^##", text, flags=re.MULTILINE)[0])


def files(title: str) -> dict[Path, str]:
    """The files under a heading, by path."""
    return {Path(found[1]): body for _, body in part(title) if (found := FILE.match(body))}


def write(folder: Path, written: dict[Path, str]) -> None:
    for path, body in written.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(body)


class Terminal:
    """A shell in a folder, with a database of its own; `packages` are found before those of the environment."""

    def __init__(self, folder: Path, packages: Path, database_url: str) -> None:
        self.folder = folder
        self.packages = packages
        self.environ = {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{packages}{os.pathsep}{ROOT}",
            "DATABASE_URL": database_url,
            "HOME": str(folder),
        }

    def perform(self, title: str) -> Iterator[str]:
        """Run the commands under a heading and yield what each prints, which is what the page shows."""
        printed = ""
        for language, body in part(title):
            if language == "":
                assert printed == body
            for line in body.splitlines() if language == "sh" else ():
                printed = self.run(*shlex.split(line))
                yield printed

    def run(self, *command: str) -> str:
        if command[0] == "pip":  # everything is there already, and there may be no network
            offline = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
            command = (sys.executable, "-m", *command, *offline, "--target", str(self.packages))
        result = subprocess.run(command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout


def test_every_command_of_the_page_is_performed() -> None:
    performed = [
        body for title in ("In the project", "As a plugin") for language, body in part(title) if language == "sh"
    ]
    assert blocks(TUTORIAL, "sh") == performed


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project without reviews."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "holdfast.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_a_module_and_a_link_are_added_to_the_project(project: Path, empty_database_url: str) -> None:
    written = files("In the project")
    line = written.pop(Path("holdfast.toml"))
    settings = (project / "holdfast.toml").read_text()
    assert set(tomllib.loads(line)["modules"]) == {*tomllib.loads(settings)["modules"], "modules.review"}
    write(project, written)
    (project / "holdfast.toml").write_text(re.sub(r"^modules = .*$", line.strip(), settings, flags=re.MULTILINE))

    terminal = Terminal(project, project, empty_database_url)
    migrated, reviewed, listed, _asked, explained = terminal.perform("In the project")

    assert "review_0001" in migrated
    assert ast.literal_eval(reviewed) == FOUND
    assert "booking_review review.booking booking.review link_booking_review 1" in " ".join(listed.split())
    assert "SELECT" in explained
    assert "Execution Time" in explained
    terminal.run("holdfast", "migrate", "--check")
    terminal.run("lint-imports", "--no-cache")
    terminal.run("ruff", "check", "--no-cache", *map(str, written))
    terminal.run("ruff", "format", "--no-cache", "--check", *map(str, written))


def test_the_same_module_and_link_come_in_a_plugin(
    tmp_path: Path, empty_database_url: str, shop_config: Config
) -> None:
    plugin, shared = files("As a plugin"), files("In the project")
    assert tomllib.loads(plugin[Path("holdfast.toml")]) == {"modules": shop_config.modules, "plugins": ["reviews"]}
    script = shared.pop(Path("try_reviews.py"))
    shared.pop(Path("holdfast.toml"))
    packages = {PLUGIN / folder / "__init__.py": "" for folder in ("", "modules", "links")}
    shop, installed = tmp_path / "shop", tmp_path / "installed"
    write(shop, {**packages, **{PLUGIN / path: _renamed(body) for path, body in shared.items()}, **plugin})
    write(shop, {Path("try_reviews.py"): _renamed(script)})

    terminal = Terminal(shop, installed, empty_database_url)
    outputs = list(terminal.perform("As a plugin"))
    shutil.rmtree(shop / PLUGIN)  # what runs is what was installed

    assert "review_0001" in outputs[1]
    assert ast.literal_eval(outputs[2]) == FOUND
    terminal.run("holdfast", "migrate", "--check")


def _renamed(source: str) -> str:
    for name, longer in LONGER_NAMES.items():
        source = source.replace(f"from {name}", longer)
    return source
