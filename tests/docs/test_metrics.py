"""The page on operations names the metrics that there are, and no others."""

import re

from core.app import Application
from core.job import Jobs
from core.metrics import render_metrics

from .test_code_blocks import OPERATIONS

ROW = re.compile(r"^\| `(holdfast_\w+)` \|", re.MULTILINE)
NAMED = re.compile(r"\bholdfast_[a-z_]+")
EXPOSED = re.compile(r"^# TYPE (holdfast_\w+) ", re.MULTILINE)
CREATED = re.compile("_created$")
"""What the client adds to each counter and histogram: when it began."""


async def exposed(application: Application) -> set[str]:
    async with application.scope() as scope:
        await (await scope.resolve(Jobs).run("check-integrity")).result()
    found = EXPOSED.findall(render_metrics(await application.workflows.gauges.read()).decode())
    return {name for name in found if not CREATED.search(name)}


async def test_every_metric_has_its_row_and_every_row_its_metric(application: Application) -> None:
    assert {*ROW.findall(OPERATIONS.read_text())} == await exposed(application)


async def test_the_alarms_are_about_metrics_that_there_are(application: Application) -> None:
    assert {*NAMED.findall(OPERATIONS.read_text())} <= await exposed(application)
