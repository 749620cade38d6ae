"""What hand-written SQL cannot commit, and what it can."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import LiteralString

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from core.app import Application
from core.container import Scope
from core.db import sqlstate
from core.testing import move_clock
from modules.booking import BookingService

from .shop import HOLD_IS_OVER, Shop, at, claims_of, confirmed, hold


async def commit(scope: Scope, *statements: LiteralString) -> None:
    async with scope.transaction() as transaction:
        for statement in statements:
            await transaction.sql(statement)


@contextmanager
def refused(message: str = "booking book_") -> Generator[None]:
    with pytest.raises((DBAPIError, psycopg.Error), match=message) as caught:
        yield
    assert sqlstate(caught.value) == "23514"


BREACHES: dict[str, LiteralString] = {
    "a claim is dropped": "DELETE FROM slot_claim WHERE q = (SELECT min(q) FROM slot_claim)",
    "all claims are dropped": "DELETE FROM slot_claim",
    "a claim is given to nobody": "UPDATE slot_claim SET booking_id = 'book_nobody'",
    "a claim moves away": "UPDATE slot_claim SET q = q + 100",
    "a claim goes to other staff": "UPDATE slot_claim SET resource_id = 'bkstf_other'",
    "a claim too many": "INSERT INTO slot_claim SELECT resource_id, max(q) + 1, booking_id, max(expires_at)"
    " FROM slot_claim GROUP BY resource_id, booking_id",
    "a claim of no booking": "INSERT INTO slot_claim VALUES ('bkstf_x', 1, 'book_x', NULL)",
    "the booking moves alone": "UPDATE booking SET start_at = start_at + interval '1 h', end_at = end_at"
    " + interval '1 h', claimed_until = claimed_until + interval '1 h'",
    "the booking grows": "UPDATE booking SET claimed_until = claimed_until + interval '15 min'",
    "the booking changes staff": "UPDATE booking SET staff_id = (SELECT max(id) FROM booking_staff"
    " WHERE id <> booking.staff_id)",
    "the booking is deleted alone": "DELETE FROM booking",
    "the booking is hidden alone": "UPDATE booking SET deleted_at = now()",
    "the booking is cancelled alone": "UPDATE booking SET status = 'cancelled'",
}


@pytest.mark.parametrize("breach", BREACHES)
@pytest.mark.parametrize("status", ["held", "confirmed"])
async def test_a_breach_is_refused_at_commit(scope: Scope, shop: Shop, breach: str, status: str) -> None:
    booking = await (hold if status == "held" else confirmed)(scope, shop, at(10))
    with refused(r"booking book_\w+ is"):
        await commit(scope, BREACHES[breach])
    assert await scope.session.sql("SELECT status FROM booking WHERE id = %s", [booking.id]) == [(status,)]


HELD_ONLY: dict[str, LiteralString] = {
    "confirmed alone": "UPDATE booking SET status = 'confirmed', hold_expires_at = NULL",
    "extended alone": "UPDATE booking SET hold_expires_at = hold_expires_at + interval '1 h'",
    "claims made permanent alone": "UPDATE slot_claim SET expires_at = NULL",
}


@pytest.mark.parametrize("breach", HELD_ONLY)
async def test_a_hold_and_its_claims_expire_together(scope: Scope, shop: Shop, breach: str) -> None:
    await hold(scope, shop, at(10))
    with refused():
        await commit(scope, HELD_ONLY[breach])


async def test_a_live_booking_cannot_be_inserted_without_claims(scope: Scope, shop: Shop) -> None:
    await hold(scope, shop, at(10))
    with refused():
        await commit(
            scope,
            """INSERT INTO booking (id, staff_id, service_id, start_at, end_at, claimed_until, first_start_at, status,
                service_name, price_amount, currency_code, created_at, updated_at)
            SELECT 'book_copy', staff_id, service_id, start_at, end_at, claimed_until, first_start_at, 'confirmed',
                service_name, price_amount, currency_code, created_at, updated_at FROM booking""",
        )


async def test_a_confirmed_booking_cannot_keep_an_expiry(scope: Scope, shop: Shop) -> None:
    await hold(scope, shop, at(10))
    with refused("CK_booking_confirmed"):
        await commit(scope, "UPDATE booking SET status = 'confirmed'")


async def test_a_claim_of_a_live_booking_cannot_be_taken_over(scope: Scope, shop: Shop) -> None:
    await hold(scope, shop, at(10))
    other = await hold(scope, shop, at(12))
    with refused():
        async with scope.transaction() as transaction:
            await transaction.sql("UPDATE slot_claim SET booking_id = %s", [other.id])


async def test_what_is_right_in_the_end_may_be_wrong_on_the_way(scope: Scope, shop: Shop) -> None:
    await confirmed(scope, shop, at(10))
    await commit(scope, "DELETE FROM slot_claim", "UPDATE booking SET status = 'cancelled'")


async def test_claims_of_an_expired_hold_are_anybodys(application: Application, scope: Scope, shop: Shop) -> None:
    await hold(scope, shop, at(10))
    await move_clock(application, HOLD_IS_OVER + timedelta(seconds=2))
    await commit(scope, "DELETE FROM slot_claim WHERE q = (SELECT min(q) FROM slot_claim)")
    await commit(scope, "UPDATE booking SET notes = 'too late'")
    with refused("not live"):
        await commit(scope, "UPDATE slot_claim SET expires_at = NULL")


TRUNCATIONS: list[LiteralString] = [
    "TRUNCATE slot_claim",
    "TRUNCATE booking CASCADE",
    "TRUNCATE booking, slot_claim CASCADE",
    "TRUNCATE booking_staff CASCADE",
]


@pytest.mark.parametrize("truncation", TRUNCATIONS)
@pytest.mark.parametrize("status", ["held", "confirmed"])
async def test_nothing_is_truncated_while_a_booking_is_live(
    scope: Scope, shop: Shop, truncation: LiteralString, status: str
) -> None:
    booking = await (hold if status == "held" else confirmed)(scope, shop, at(10))
    with refused("cannot be truncated"):
        await commit(scope, truncation)
    assert await claims_of(scope, booking.id) == 2


@pytest.mark.parametrize("truncation", TRUNCATIONS)
async def test_what_is_over_may_be_truncated(
    application: Application, scope: Scope, shop: Shop, truncation: LiteralString
) -> None:
    await hold(scope, shop, at(10))
    over = await confirmed(scope, shop, at(12))
    async with scope.transaction():
        await scope.resolve(BookingService).cancel(over.id)
    await move_clock(application, HOLD_IS_OVER)
    await commit(scope, truncation)
    left = await scope.session.sql("SELECT (SELECT count(*) FROM booking), (SELECT count(*) FROM slot_claim)")
    assert 0 in left[0]
