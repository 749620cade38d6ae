"""A hold runs out, and a worker process sweeps it at the next tick of the job."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import LiteralString

import httpx
import pytest

from core.app import Application
from core.config import Config
from core.testing import config_on
from core.workflow import Events
from tests.acceptance.site import Site

from .host import PATIENCE_SECONDS, Host

ELEVEN_MINUTES = timedelta(minutes=11)
KNOWN = "SELECT id FROM scheduled_job WHERE id = 'expire-held-bookings'"
TICKS = "SELECT key FROM workflow_run WHERE workflow = 'expire-held-bookings' AND status = 'done'"


@pytest.fixture
async def site(host: Host, url: str, shop_config: Config) -> AsyncGenerator[Site]:
    host.worker()
    _, base_url = host.api()
    # It does no work itself: what is done in the background is done by the worker.
    async with (
        Application.load(config_on(url, shop_config)).running(sweeping=False) as application,
        httpx.AsyncClient(base_url=base_url, timeout=30) as http,
    ):
        await until_there(application, KNOWN)
        yield Site(application, http)


async def until_there(application: Application, statement: LiteralString) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), application.scope() as scope:
        while not await scope.session.sql(statement):  # noqa: ASYNC110, others' rows
            await asyncio.sleep(0.05)


async def test_m3_t5_a_held_booking_expires_by_the_job_of_a_worker(site: Site) -> None:
    ticket = await (await site.open_shop()).hold(site.at(10))
    assert (await ticket.get()).status_code == 200
    async with site.moved(ELEVEN_MINUTES):
        await until_there(site.application, "SELECT id FROM booking WHERE status = 'expired'")
        assert (await ticket.get()).status_code == 404
        found = await site.find(ticket.id)
        assert found is not None
        assert (found.status, found.deleted_at is not None) == ("expired", True)
        async with site.application.scope() as scope:
            [event] = await scope.resolve(Events).list(name="booking.expired")
            assert ticket.id in bytes(event.data).decode()
            await until_there(site.application, TICKS)
            assert all(key.endswith(("0:00Z", "5:00Z")) for (key,) in await scope.session.sql(TICKS))


async def test_m3_t6_an_expired_hold_releases_its_slot_by_the_job_of_a_worker(site: Site) -> None:
    shop = await site.open_shop()
    ticket = await shop.hold(site.at(10))
    assert site.at(10) not in await shop.free(site.day())
    async with site.moved(ELEVEN_MINUTES):
        await until_there(site.application, "SELECT id FROM booking WHERE status = 'expired'")
        assert await site.claims(ticket.id) == 0
        assert site.at(10) in await shop.free(site.day())
        await shop.hold(site.at(10))
