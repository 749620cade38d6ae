"""The integrity checks find what the trigger would have refused."""

from typing import LiteralString

import pytest

from core.app import Application
from core.container import Scope
from core.testing import move_clock
from modules.booking import booking

from .shop import HOLD_IS_OVER, Shop, at, confirmed, hold

OVERLAP, CLAIMS, STRAY, EXPIRY = booking.checks

DAMAGE: dict[LiteralString, set[str]] = {
    "DELETE FROM slot_claim WHERE q = (SELECT min(q) FROM slot_claim)": {CLAIMS},
    "UPDATE slot_claim SET booking_id = 'book_nobody'": {CLAIMS, STRAY},
    "UPDATE slot_claim SET q = q + 100": {CLAIMS},
    "UPDATE slot_claim SET resource_id = 'bkstf_other'": {CLAIMS},
    "UPDATE slot_claim SET expires_at = now() + interval '1 h'": {EXPIRY},
    "UPDATE booking SET status = 'cancelled'": {STRAY},
    "UPDATE booking SET deleted_at = now()": {STRAY},
    "UPDATE booking SET start_at = (SELECT min(start_at) FROM booking)": {CLAIMS, OVERLAP},
}


async def found(scope: Scope) -> dict[str, list[str]]:
    results = {name: list(await check(scope)) for name, check in booking.checks.items()}
    return {name: sentences for name, sentences in results.items() if sentences}


async def damage(scope: Scope, statement: LiteralString) -> None:
    async with scope.transaction() as transaction:
        await transaction.sql("SET LOCAL session_replication_role = replica")  # without triggers
        await transaction.sql(statement)


async def test_a_sound_shop_has_nothing_to_tell(scope: Scope, shop: Shop) -> None:
    await hold(scope, shop, at(10))
    await confirmed(scope, shop, at(10, 30))
    await confirmed(scope, shop, at(10), shop.bob)
    assert await found(scope) == {}


@pytest.mark.parametrize("statement", DAMAGE)
async def test_damage_is_found(scope: Scope, shop: Shop, statement: LiteralString) -> None:
    first = await confirmed(scope, shop, at(10))
    await confirmed(scope, shop, at(10, 30))
    await damage(scope, statement)
    told = await found(scope)
    assert set(told) == DAMAGE[statement]
    assert any(first.id in sentence or "book_" in sentence for sentences in told.values() for sentence in sentences)


async def test_expired_holds_are_no_damage(application: Application, scope: Scope, shop: Shop) -> None:
    await hold(scope, shop, at(10))
    await move_clock(application, HOLD_IS_OVER)
    await hold(scope, shop, at(10, 15))
    assert await found(scope) == {}
