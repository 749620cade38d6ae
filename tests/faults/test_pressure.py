"""Locks, slow statements and an exhausted pool: answers stay bounded, and good ones come back by themselves."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import psycopg
import pytest
from psycopg import sql

from tests.acceptance.site import BOOKINGS, Shop, Ticket

from .conftest import Serve

BOUND_SECONDS = 6
SLEEPY = """
CREATE FUNCTION sleep_long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
CREATE TRIGGER sleepy BEFORE INSERT OR UPDATE ON booking FOR EACH ROW EXECUTE FUNCTION sleep_long()"""


@asynccontextmanager
async def locked(other: psycopg.AsyncConnection, *tables: str) -> AsyncGenerator[None]:
    """Let nobody else near some tables for as long as the block takes, a minute if need be."""
    async with other.transaction():
        names = sql.SQL(", ").join(map(sql.Identifier, tables))
        await other.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(names))
        yield


def everything(shop: Shop, held: Ticket, booked: Ticket) -> list[asyncio.Task[httpx.Response]]:
    """Ask for all that wants a booking or its claims."""
    slots = {"service_id": shop.service.id, "date": shop.site.day().isoformat()}
    asked = [
        shop.post(shop.site.at(12)),
        held.get(),
        held.confirm(),
        booked.cancel(),
        booked.reschedule(shop.site.at(14)),
        shop.site.http.get(f"{BOOKINGS}/availability", params=slots),
    ]
    return [asyncio.ensure_future(request) for request in asked]


async def answered(*asked: asyncio.Task[httpx.Response]) -> list[httpx.Response]:
    """Return the answers, which have to come in time."""
    async with asyncio.timeout(BOUND_SECONDS):
        return await asyncio.gather(*asked)


def assert_busy(answers: list[httpx.Response]) -> None:
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "busy")}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)


@pytest.mark.parametrize(
    ("table", "unhindered"), [("booking", f"{BOOKINGS}/availability"), ("slot_claim", f"{BOOKINGS}/{{}}")]
)
async def test_a_lock_held_for_long_is_waited_for_briefly(
    url: str, serve: Serve, other: psycopg.AsyncConnection, table: str, unhindered: str
) -> None:
    async with serve(url) as served:
        shop = await served.site.open_shop()
        held, booked = await shop.hold(shop.site.at(9)), await shop.book(shop.site.at(10))
        async with locked(other, table):
            answers = await answered(*everything(shop, held, booked))
            assert_busy([answer for answer in answers if answer.status_code != 200])
            assert [answer.url.path for answer in answers if answer.status_code == 200] == [unhindered.format(held.id)]
        assert (await held.confirm()).status_code == 200
        assert (await shop.post(shop.site.at(12))).status_code == 201


async def test_a_slow_statement_is_cut_off_and_leaves_nothing(
    url: str, serve: Serve, other: psycopg.AsyncConnection
) -> None:
    async with serve(url) as served:
        shop = await served.site.open_shop()
        held = await shop.hold(shop.site.at(9))
        await other.execute(SLEEPY)
        asked = [shop.post(shop.site.at(12)), held.confirm(), held.cancel()]
        assert_busy(await answered(*map(asyncio.ensure_future, asked)))
        await other.execute("DROP TRIGGER sleepy ON booking")
        assert (await shop.post(shop.site.at(12))).status_code == 201
        assert (await held.confirm()).status_code == 200


async def test_an_exhausted_pool_refuses_in_time(url: str, serve: Serve, other: psycopg.AsyncConnection) -> None:
    small = {"HOLDFAST_DATABASE_POOL_SIZE": "1", "HOLDFAST_DATABASE_POOL_OVERFLOW": "1"}
    async with serve(url, **small) as served:
        shop = await served.site.open_shop()
        held, booked = await shop.hold(shop.site.at(9)), await shop.book(shop.site.at(10))
        async with locked(other, "booking", "slot_claim"):
            answers = await answered(*everything(shop, held, booked), *everything(shop, held, booked))
            assert_busy(answers)
            assert "no database connection was free in time" in {answer.json()["detail"] for answer in answers}
            assert (await served.site.http.get("/health")).status_code == 200
        assert (await shop.post(shop.site.at(12))).status_code == 201
