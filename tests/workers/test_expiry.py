"""Holds run out in a shop of real processes: a worker's scheduler starts the job, and the worker does it."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

import psycopg
import pytest

from core.config import Config
from tests.acceptance.site import Site

from .host import Host
from .site import Either, site_of

ELEVEN_MINUTES = timedelta(minutes=11)
PATIENCE_SECONDS = 30
KNOWN = "SELECT count(*) > 0 FROM scheduled_job WHERE id = 'expire-held-bookings'"
TOLD = "SELECT data ->> 'booking_id' FROM outbox WHERE name = 'booking.expired'"


@pytest.fixture
async def site(host: Host, url: str, shop_config: Config) -> AsyncGenerator[Site]:
    """The shop, once its job is scheduled: a new one begins with its next tick."""
    host.start("worker")
    _, address = host.api()
    async with site_of(url, shop_config, Either([address])) as site:
        with psycopg.connect(url, autocommit=True) as connection:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while connection.execute(KNOWN).fetchall() != [(True,)]:  # noqa: ASYNC110, rows
                    await asyncio.sleep(0.05)
        yield site


async def is_swept(site: Site, id: str) -> None:
    """Wait until the job has swept a hold and told of it."""
    with psycopg.connect(site.url, autocommit=True) as connection:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while connection.execute(TOLD).fetchall() != [(id,)]:  # noqa: ASYNC110, rows
                await asyncio.sleep(0.05)


async def test_m3_t5_a_held_booking_expires_by_the_job(site: Site) -> None:
    ticket = await (await site.open_shop()).hold(site.at(10))
    async with site.moved(ELEVEN_MINUTES):
        await is_swept(site, ticket.id)
        assert (await ticket.get()).status_code == 404
        found = await site.find(ticket.id)
        assert found is not None
        assert (found.status, found.deleted_at is not None) == ("expired", True)


async def test_m3_t6_an_expired_hold_releases_its_slot_by_the_job(site: Site) -> None:
    shop = await site.open_shop()
    ticket = await shop.hold(site.at(10))
    assert site.at(10) not in await shop.free(site.day())
    async with site.moved(ELEVEN_MINUTES):
        await is_swept(site, ticket.id)
        assert await site.claims(ticket.id) == 0
        assert site.at(10) in await shop.free(site.day())
        await shop.hold(site.at(10))
