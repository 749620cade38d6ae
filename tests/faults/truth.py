"""What the database says after a fault, by statements of the tests' own and by the doctor."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import LiteralString

import psycopg

from tests.acceptance.races.witness import Witness

from .load import Load

STATUSES: LiteralString = "SELECT id, status FROM booking WHERE deleted_at IS NULL"
MULTIPLIED: LiteralString = """
SELECT staff_id, first_start_at FROM booking WHERE deleted_at IS NULL GROUP BY 1, 2 HAVING count(*) > 1"""
UNENDED: LiteralString = "SELECT id FROM workflow_run WHERE finished_at IS NULL"


def findings(url: str, load: Load) -> list[str]:
    """Return what is wrong: half bookings, bookings made twice, and where customers were told otherwise."""
    with psycopg.connect(url, autocommit=True) as connection:
        statuses = dict(connection.execute(STATUSES).fetchall())
        wrong = Witness(connection).violations()
        wrong += [f"{staff} was booked twice at {start}" for staff, start in connection.execute(MULTIPLIED)]
        wrong += [f"run {id} has not ended" for (id,) in connection.execute(UNENDED)]
    wrong += [f"{id} is {statuses.get(id)}, not {told}" for id, told in load.told.items() if statuses.get(id) != told]
    return wrong + [f"nobody was told of {id}" for id in statuses if id not in load.told]


async def doctor(url: str, root: Path) -> dict[str, str]:
    """Return what `holdfast doctor --integrity` finds about bookings, by check."""
    return await asyncio.to_thread(_doctor, url, root)


def _doctor(url: str, root: Path) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "core.cli", "doctor", "--integrity", "--json"],
        cwd=root,
        env={**os.environ, "DATABASE_URL": url, "HOLDFAST_SECRET": "signs what these tests make, and no more"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return {one["name"]: one["level"] for one in json.loads(done.stdout) if one["name"].startswith("booking: ")}
