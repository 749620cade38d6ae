"""What stands under `deploy/`: its commands exist and take their options, its settings and files are there."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import click
import pytest
import yaml

from core.cli import main
from core.cli.workers import KILL_MARGIN_SECONDS
from core.config import SECTIONS, Config, Engine
from core.shutdown import MARGIN_SECONDS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("systemd/*.service"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
NAMES = {
    f"HOLDFAST_{section}_{field}".upper() for section, kind in SECTIONS.items() for field in kind.__struct_fields__
}
SETTINGS = NAMES | {"DATABASE_URL", "REDIS_URL", "HOLDFAST_SECRET"}
LONGEST_STOP = 2 * Engine().grace_seconds + MARGIN_SECONDS + KILL_MARGIN_SECONDS
"""That of the API: requests have the grace time, and then the runs that they have left."""


def options(arguments: list[str]) -> dict[str, Any]:
    """Return what `holdfast` makes of a command line; raises what it would say to a wrong one."""
    context = click.Context(main)
    command = main.get_command(context, arguments[0])
    assert command, arguments
    return command.make_context(arguments[0], arguments[1:]).params


def of_unit(unit: Path, name: str) -> str:
    found = re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_starts_a_command_and_gives_it_time_to_end(unit: Path) -> None:
    program, *arguments = shlex.split(of_unit(unit, "ExecStart"))
    assert program.endswith("/bin/holdfast")
    assert options(arguments)
    assert of_unit(unit, "KillMode") == "mixed"
    assert float(of_unit(unit, "TimeoutStopSec")) > LONGEST_STOP


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_finds_nothing_wrong_with_a_unit(unit: Path, tmp_path: Path) -> None:
    here = tmp_path / unit.name
    here.write_text(
        unit.read_text().replace("/opt/holdfast/.venv/bin/holdfast", f"{Path(sys.executable).parent}/holdfast")
    )
    done = subprocess.run(["systemd-analyze", "verify", here], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_environment_of_the_units_is_a_configuration() -> None:
    environ = dict(line.split("=", 1) for line in (DEPLOY / "systemd/holdfast.env").read_text().splitlines())
    config = Config.load(ROOT / "holdfast.toml", environ)
    assert config.redis_url
    assert config.secrets
    assert {*environ} <= SETTINGS


@pytest.mark.parametrize("name", OURS)
def test_a_service_starts_a_command_and_gives_it_time_to_end(name: str) -> None:
    service = OURS[name]
    assert options([str(each) for each in service["command"]])
    assert int(service["stop_grace_period"].removesuffix("s")) > LONGEST_STOP
    assert {*service["environment"]} <= SETTINGS
    assert {*service["depends_on"]} <= {*SERVICES}
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).samefile(DEPLOY / "Dockerfile")


def test_a_service_is_waited_for_by_its_health_or_its_end() -> None:
    for service in OURS.values():
        for other, wanted in service["depends_on"].items():
            assert wanted["condition"] == (
                "service_healthy" if "healthcheck" in SERVICES[other] else "service_completed_successfully"
            )


@pytest.mark.parametrize(("name", "path"), [("api", "ready"), ("worker", "health"), ("scheduler", "health")])
def test_a_service_is_asked_for_its_health_where_it_listens(name: str, path: str) -> None:
    port = options([str(each) for each in OURS[name]["command"]])["port"] or Config().http.port
    asked = OURS[name]["healthcheck"]["test"]
    assert asked[:3] == ["CMD", "python", "-c"]
    assert f"http://127.0.0.1:{port}/{path}" in asked[3]
    assert str(port) in re.findall(r"^EXPOSE (.*)$", DOCKERFILE, re.MULTILINE)[0].split()


def copied() -> Iterator[str]:
    """What goes into the image."""
    for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.MULTILINE):
        yield from line.split()[:-1]


def test_the_image_holds_what_the_project_is_made_of() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = cast("list[str]", project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert {*packages, "holdfast.toml", "requirements.lock"} <= {*copied()}
    assert [name for name in copied() if not (ROOT / name).exists()] == []


def test_the_image_starts_a_command() -> None:
    [given] = re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)
    assert options(yaml.safe_load(given))["host"] == "0.0.0.0"
