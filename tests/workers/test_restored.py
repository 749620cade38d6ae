"""A backup that was taken in the midst of things is restored elsewhere: what it found under way goes on there."""

import asyncio
import os
import subprocess
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest

from core.app import Application
from core.db.embedded.account import server_account
from core.db.embedded.programs import postgres_programs
from core.testing import DatabaseServer
from tests.docs.test_code_blocks import OPERATIONS, blocks

from .chaos.workflows import GATE, NIGHT, place_behind_gate, place_overnight
from .conftest import Redis, producing
from .host import Host
from .load import start_all
from .truth import ORDERS, check, until_all_finished, until_at_gate, until_finished

LOAD = 300
NOT_HEARD_OF = range(1000, 1005)
AT_GATE = range(2000, 2005)
ASLEEP = range(3000, 3005)
AFTERWARDS = range(4000, 4020)
"""Redis has hints of these, of which the backup knows nothing."""
NO_SWEEP = {"HOLDFAST_ENGINE_QUEUED_SECONDS": "3600"}
COMMANDS = [line for line in "".join(blocks(OPERATIONS, "sh")).splitlines() if line.startswith("pg_")]
FOUND = "SELECT (input #>> '{}')::int, status FROM workflow_run WHERE workflow = ANY(%s)"
A_NIGHT_LATER = "INSERT INTO clock_offset (moved_by) VALUES (%s)"


@pytest.fixture
def restored_url(database_server: DatabaseServer) -> Generator[str]:
    database = database_server.create()
    yield database.url
    database.drop()


def run(command: str, folder: Path, **urls: str) -> None:
    """Run a command of the page on operations."""
    path = os.pathsep.join([str(postgres_programs(18, server_account())), os.environ["PATH"]])
    environ = {**os.environ, **urls, "PATH": path}
    done = subprocess.run(["sh", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def start_what_stays(app: Application, host: Host, url: str) -> None:
    """Start orders that stand half-way when the backup is taken, and some of which no worker has heard."""
    await start_all(app, AT_GATE, place_behind_gate)
    await start_all(app, ASLEEP, place_overnight)
    await asyncio.to_thread(until_at_gate, url, len(AT_GATE) + len(ASLEEP))
    async with producing(url, "") as silent:
        await start_all(silent, NOT_HEARD_OF)


async def test_every_run_of_a_backup_ends_and_no_effect_of_it_is_there_twice(
    host: Host, tmp_path: Path, url: str, restored_url: str, redis: Redis
) -> None:
    dump, restore = COMMANDS
    worker = host.worker(processes=2, **NO_SWEEP)
    async with producing(url, redis.url) as app:
        await start_what_stays(app, host, url)
        starting = asyncio.create_task(start_all(app, range(LOAD)))
        await asyncio.to_thread(until_finished, url, LOAD // 3)
        await asyncio.to_thread(run, dump, tmp_path, DATABASE_URL=url)
        worker.kill()
        await starting
        await start_all(app, AFTERWARDS)

    await asyncio.to_thread(run, restore, tmp_path, RESTORED_URL=restored_url)
    with psycopg.connect(restored_url) as connection:
        found = dict(connection.execute(FOUND, [[*ORDERS]]).fetchall())
        connection.execute(A_NIGHT_LATER, [NIGHT])
    assert {found[number] for number in NOT_HEARD_OF} == {"queued"}
    assert {found[number] for number in AT_GATE} == {"running"}
    assert {found[number] for number in ASLEEP} == {"waiting"}
    assert list(found.values()).count("done") > 0
    assert found.keys().isdisjoint(AFTERWARDS)
    with Host(tmp_path / "other", restored_url, redis.url) as other:
        (other.folder / GATE).touch()
        other.worker(processes=2)
        await asyncio.to_thread(until_all_finished, restored_url, len(found))
    check(restored_url, found)
