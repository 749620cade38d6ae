"""The public API is typed, and wrong uses of it are refused."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MARK = re.compile(r"# error: (\w+)$")


def complaints(folder: Path, *names: str) -> set[tuple[str, int, str]]:
    """File, line and rule of everything that the checker says; a configuration of its own, as ours leaves one out."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["basedpyright"]
    del settings["exclude"]
    settings |= {"include": [str(HERE / name) for name in names], "extraPaths": [str(ROOT)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    checker = Path(sys.executable).with_name("basedpyright")
    command = [checker, "--outputjson", "--project", folder, "--pythonpath", sys.executable]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return {
        (Path(found["file"]).name, found["range"]["start"]["line"] + 1, found.get("rule", found["message"]))
        for found in json.loads(result.stdout)["generalDiagnostics"]
    }


def test_right_uses_pass_and_of_the_wrong_ones_exactly_the_marked_lines_fail(tmp_path: Path):
    lines = enumerate((HERE / "must_fail.py").read_text().splitlines(), start=1)
    marked = {("must_fail.py", number, mark[1]) for number, line in lines if (mark := MARK.search(line))}

    found = complaints(tmp_path, "must_pass.py", "must_fail.py")

    assert len(marked) > 30
    assert marked <= found
    assert {(file, line) for file, line, _ in found} == {(file, line) for file, line, _ in marked}


def test_an_installed_wheel_brings_its_types(tmp_path: Path):
    uv, site = Path(sys.executable).with_name("uv"), tmp_path / "site"
    build = ["build", "--wheel", "--no-build-isolation", "--offline", "--out-dir", tmp_path, "--python", sys.executable]
    subprocess.run([uv, *build, ROOT], check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    install = ["pip", "install", "--no-deps", "--offline", "--target", site, "--python", sys.executable]
    subprocess.run([uv, *install, wheel], check=True, capture_output=True)
    marked = {folder.parent.name for folder in site.glob("*/py.typed")}
    assert marked >= {"core", "modules", "workflows", "links", "api", "jobs"}
    (tmp_path / "uses.py").write_text(
        "from typing import assert_type\n"
        "from core import Scope\n"
        "from modules.booking import Booking\n"
        "from workflows.booking import HoldBookingSlot, hold_booking_slot\n"
        "async def hold(scope: Scope, wanted: HoldBookingSlot) -> None:\n"
        "    _ = assert_type(await hold_booking_slot.run(scope, wanted), Booking)\n"
        "    _ = await hold_booking_slot.run(scope, 'not a slot')\n"
    )
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"include": ["uses.py"], "extraPaths": [str(site)]}))
    command = [Path(sys.executable).with_name("basedpyright"), "--outputjson", "--project", tmp_path]
    result = subprocess.run(
        [*command, "--pythonpath", sys.executable], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    found = json.loads(result.stdout)["generalDiagnostics"]
    assert [(each["range"]["start"]["line"] + 1, each["rule"]) for each in found] == [(7, "reportArgumentType")]
