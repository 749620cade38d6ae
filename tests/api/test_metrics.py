"""What Prometheus reads, from one process and from several."""

import asyncio
import re
import urllib.request
from collections.abc import Generator
from typing import Any

import httpx
import msgspec
import psutil
import pytest

from api.app import create_app
from core.app import Application
from core.testing import ServerProcess
from core.testing.processes import answers

from .conftest import Shop

HOLDS = re.compile(
    r'^holdfast_workflow_runs_ended_total\{state="done",workflow="hold-booking-slot"\} ([\d.]+)$', re.MULTILINE
)
SLOTS = 8


def allow(application: Application, who: str) -> None:
    http = msgspec.structs.replace(application.config.http, metrics=who)
    application.config = msgspec.structs.replace(application.config, http=http)


def client_at(application: Application, address: str) -> httpx.AsyncClient:
    app: Any = create_app(application)
    transport = httpx.ASGITransport(app, client=(address, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://shop.test")


def done(metrics: str) -> float:
    found = HOLDS.search(metrics)
    return float(found[1]) if found else 0


async def test_tells_of_a_hold(shop: Shop, client: httpx.AsyncClient):
    before = done((await client.get("/metrics")).text)
    assert (await client.post("/store/bookings", json=shop.hold())).status_code == 201

    answer = await client.get("/metrics")

    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert done(answer.text) == before + 1
    assert 'holdfast_workflow_runs{state="waiting",workflow="hold-booking-slot"} 0.0' in answer.text.splitlines()
    assert "holdfast_database_up 1.0" in answer.text.splitlines()


@pytest.mark.parametrize(
    ("who", "address", "status"),
    [
        ("loopback", "127.0.0.1", 200),
        ("loopback", "::1", 200),
        ("loopback", "203.0.113.5", 404),
        ("loopback", "unknown", 404),
        ("everyone", "203.0.113.5", 200),
        ("nobody", "127.0.0.1", 404),
    ],
)
async def test_only_those_may_look_who_are_let(application: Application, who: str, address: str, status: int):
    allow(application, who)
    async with client_at(application, address) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == status
    if status == 404:
        assert answer.json()["code"] == "not_found"


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
async def test_whoever_comes_through_a_proxy_is_not_on_this_machine(application: Application, header: str):
    async with client_at(application, "127.0.0.1") as client:
        assert (await client.get("/metrics", headers={header: "127.0.0.1"})).status_code == 404


async def test_is_not_part_of_the_contract(client: httpx.AsyncClient):
    assert "/metrics" not in (await client.get("/schema/openapi.yaml")).text


@pytest.fixture
def server(application: Application, pytestconfig: pytest.Config) -> Generator[ServerProcess]:
    """Two workers at one address."""
    with ServerProcess(application.config.database.url, workers=2, folder=pytestconfig.rootpath) as server:
        yield server


def metrics_of(server: ServerProcess) -> str:
    with urllib.request.urlopen(f"{server.base_url}/metrics", timeout=5) as answer:
        return answer.read().decode()


def hold(server: ServerProcess, shop: Shop, hour: int) -> None:
    # A client each, so that both workers have something to do.
    httpx.post(f"{server.base_url}/store/bookings", json=shop.hold(hour)).raise_for_status()


def workers_of(server: ServerProcess) -> list[psutil.Process]:
    return psutil.Process(server.pid).children()


async def test_each_of_several_workers_answers_for_all(shop: Shop, server: ServerProcess):
    for hour in range(SLOTS):
        hold(server, shop, hour)
    assert {done(metrics_of(server)) for _ in range(SLOTS)} == {SLOTS}


async def test_what_a_worker_counted_outlives_it(shop: Shop, server: ServerProcess):
    for hour in range(SLOTS):
        hold(server, shop, hour)
    # One after the other, so that there is always one that listens.
    for worker in workers_of(server):
        worker.kill()
        await until_replaced(server, worker)
    assert done(metrics_of(server)) == SLOTS
    hold(server, shop, SLOTS)
    assert {done(metrics_of(server)) for _ in range(SLOTS)} == {SLOTS + 1}


async def until_replaced(server: ServerProcess, worker: psutil.Process) -> None:
    async with asyncio.timeout(10):
        while len({each.pid for each in workers_of(server)} - {worker.pid}) < 2 or not ready(server):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def ready(server: ServerProcess) -> bool:
    return answers(f"{server.base_url}/ready")
