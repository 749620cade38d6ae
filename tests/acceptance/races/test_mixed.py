"""Everything at once on shared bookings, while holds run out and are swept."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from modules.booking import BookingService

from .client import Pool
from .course import Course
from .mixed import CONNECTIONS, Crowd
from .services import ShortHolds, ShortHoldsClaimsFirst, WithoutClaims

OPERATIONS = 6000
CROWDED = 12
"""Quarter hours that everybody wants where something is to break soon."""
SWEEP_SECONDS, SWEPT_AT_ONCE = 0.1, 1
"""So slowly that many holds are taken over before they are swept."""


async def test_no_mix_of_operations_breaks_a_booking(course: Course, dice: random.Random) -> None:
    shop = await course.open_shop()
    async with course.served(ShortHolds) as server, Pool.open(server.port, CONNECTIONS) as pool, sweeping(course):
        crowd = Crowd(shop, pool, dice)
        await crowd.run(OPERATIONS)
        assert course.witness.violations() == []
    seen = course.witness.seen()
    print(crowd.answers, crowd.pairs, seen)
    assert crowd.unexpected() == []
    assert course.failures == []
    assert crowd.operations >= OPERATIONS
    assert seen["confirmed"] >= 300
    assert seen["taken_over"] >= 100
    assert seen["rescheduled"] >= 100
    assert crowd.pairs >= 100
    assert seen["swept"] > 0
    assert course.witness.violations() == []
    assert course.witness.deadlocks() == 0
    assert set(course.integrity().values()) == {"ok"}


async def test_without_claims_a_mix_of_operations_books_twice(course: Course, dice: random.Random) -> None:
    def booked_twice() -> bool:
        return any("overlaps" in violation for violation in course.witness.violations())

    assert await comes_true(booked_twice, course, WithoutClaims, dice)
    assert course.integrity()["booking: no two live bookings overlap"] == "fail"


async def test_with_claims_locked_before_the_row_a_mix_of_operations_deadlocks(
    course: Course, dice: random.Random
) -> None:
    assert await comes_true(lambda: course.witness.deadlocks() > 0, course, ShortHoldsClaimsFirst, dice)


async def comes_true(
    symptom: Callable[[], bool], course: Course, service: type[BookingService], dice: random.Random
) -> bool:
    """Run a mix with a broken service until a symptom shows, or as many operations as show none with the real one."""
    shop = await course.open_shop()
    async with course.served(service) as server, Pool.open(server.port, CONNECTIONS) as pool:
        crowd = Crowd(shop, pool, dice, quarters=CROWDED)
        while not symptom() and crowd.operations < OPERATIONS:
            await crowd.run(crowd.operations + 100)
    return symptom()


@asynccontextmanager
async def sweeping(course: Course) -> AsyncGenerator[None]:
    """Let the expiry statement run again and again beside a block."""
    over = asyncio.Event()

    async def sweep() -> None:
        async with course.application() as application:
            while not over.is_set():
                async with application.scope() as scope, scope.transaction():
                    await scope.resolve(BookingService).expire_due(limit=SWEPT_AT_ONCE)
                await asyncio.sleep(SWEEP_SECONDS)

    task = asyncio.create_task(sweep())
    try:
        yield
    finally:
        over.set()
        await task
