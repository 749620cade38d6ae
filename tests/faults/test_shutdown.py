"""SIGTERM during requests."""

import asyncio
import os
import signal

import httpx
import psutil
import psycopg
import pytest

from .conftest import Serve

HOLDS = 6
SLOW = """
CREATE FUNCTION wait_for_the_test() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON booking FOR EACH ROW EXECUTE FUNCTION wait_for_the_test()"""
WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"""


@pytest.mark.parametrize("workers", [1, 2])
async def test_requests_under_way_end_well_and_then_the_process_ends(
    url: str, serve: Serve, other: psycopg.AsyncConnection, workers: int
) -> None:
    patient = {"HOLDFAST_DATABASE_LOCK_TIMEOUT_SECONDS": "10", "HOLDFAST_DATABASE_STATEMENT_TIMEOUT_SECONDS": "10"}
    async with serve(url, workers=workers, **patient) as served:
        shop = await served.site.open_shop()
        await other.execute(SLOW)
        await other.execute("SELECT pg_advisory_lock(1)")
        asked = [asyncio.create_task(shop.post(shop.site.at(9 + number))) for number in range(HOLDS)]
        await until(other, HOLDS)
        process = psutil.Process(served.server.pid)
        os.kill(process.pid, signal.SIGTERM)
        await nobody_listens(served.site.http)
        await other.execute("SELECT pg_advisory_unlock(1)")
        answers = await asyncio.gather(*asked)
        assert {answer.status_code for answer in answers} == {201}
        assert await asyncio.to_thread(process.wait, 10) == 0


async def until(other: psycopg.AsyncConnection, waiting: int) -> None:
    """Wait until so many requests are stuck in the database."""
    async with asyncio.timeout(5):
        while (await (await other.execute(WAITING)).fetchone()) != (waiting,):  # noqa: ASYNC110, others' work
            await asyncio.sleep(0.02)


async def nobody_listens(http: httpx.AsyncClient) -> None:
    """Wait until new connections are refused."""
    async with asyncio.timeout(5), httpx.AsyncClient(base_url=http.base_url) as stranger:
        while True:
            try:
                await stranger.get("/health", headers={"Connection": "close"})
            except httpx.TransportError:
                return
