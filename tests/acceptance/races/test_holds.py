"""Many ask for the same time at once, on two processes: one of them gets it, unless the claims are taken out."""

import asyncio
import random
from collections import Counter

from .client import Answer, Pool
from .course import Course, Shop
from .services import WithoutClaims

EQUAL, EQUAL_ROUNDS = 50, 20
UNEQUAL, UNEQUAL_ROUNDS = 12, 30


async def test_of_50_equal_holds_at_once_exactly_one_wins(course: Course) -> None:
    shop = await course.open_shop()
    async with course.served() as server, Pool.open(server.port, EQUAL) as pool:
        for number in range(EQUAL_ROUNDS):
            assert await equal_holds(pool, shop, number) == {(201, None): 1, (409, "slot_unavailable"): EQUAL - 1}
    assert course.witness.violations() == []
    assert course.failures == []


async def test_unequal_overlapping_holds_on_an_empty_day_never_overlap(course: Course, dice: random.Random) -> None:
    shop = await course.open_shop(days=UNEQUAL_ROUNDS)
    async with course.served() as server, Pool.open(server.port, UNEQUAL) as pool:
        for day in range(UNEQUAL_ROUNDS):
            answers = await unequal_holds(pool, shop, day, dice)
            assert {201} < set(answers) <= {201, 409}
            assert course.witness.violations() == []
    assert course.failures == []


async def test_without_claims_more_than_one_of_equal_holds_wins(course: Course) -> None:
    shop = await course.open_shop()
    async with course.served(WithoutClaims) as server, Pool.open(server.port, EQUAL) as pool:
        for number in range(EQUAL_ROUNDS):
            if (await equal_holds(pool, shop, number))[201, None] > 1:
                return
    raise AssertionError("the claims are not what lets one win")


async def test_without_claims_unequal_holds_overlap(course: Course, dice: random.Random) -> None:
    shop = await course.open_shop(days=UNEQUAL_ROUNDS)
    async with course.served(WithoutClaims) as server, Pool.open(server.port, UNEQUAL) as pool:
        for day in range(UNEQUAL_ROUNDS):
            await unequal_holds(pool, shop, day, dice)
            if any("overlaps" in violation for violation in course.witness.violations()):
                return
    raise AssertionError("the claims are not what prevents overlaps")


async def equal_holds(pool: Pool, shop: Shop, number: int) -> Counter[tuple[int, str | None]]:
    """Ask for one slot many times at once; count status and code of the answers."""
    wish = {"service_id": shop.services[0], "staff_id": shop.staff[0], "start_at": shop.at(4 * number).isoformat()}
    answers = await at_once(pool, [wish] * EQUAL)
    return Counter((answer.status, answer.body.get("code")) for answer in answers)


async def unequal_holds(pool: Pool, shop: Shop, day: int, dice: random.Random) -> Counter[int]:
    """Ask at once for different starts in a row, of services of different length; count the statuses."""
    wishes = [
        {
            "service_id": dice.choice(shop.services),
            "staff_id": shop.staff[0],
            "start_at": shop.at(40 + number, day).isoformat(),
        }
        for number in range(UNEQUAL)
    ]
    return Counter(answer.status for answer in await at_once(pool, wishes))


async def at_once(pool: Pool, wishes: list[dict[str, str]]) -> list[Answer]:
    """Send each on a connection of its own."""
    async with pool.take(len(wishes)) as connections:
        pairs = zip(connections, wishes, strict=True)
        return await asyncio.gather(*(connection.post("", wish) for connection, wish in pairs))
