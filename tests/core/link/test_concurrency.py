"""Twenty at once."""

import asyncio

from core.app import Application
from core.container import Scope
from core.link import Links, LinkTaken

from .library import book_author, book_review
from .records import Records


async def attempt(app: Application, book: str, review: str) -> str:
    async with app.scope() as scope:
        try:
            async with scope.transaction():
                await scope.resolve(Links).create(book_review, [(book, review)])
        except LinkTaken as taken:
            return f"taken: {taken.data['book_id']}"
        return book


async def test_k8_twenty_at_once_make_one_row_and_nineteen_typed_errors(library: Application, records: Records):
    review, books = await records.review(), [await records.book() for _ in range(20)]

    outcomes = await asyncio.gather(*(attempt(library, book, review) for book in books))

    [pair] = await records.scope.resolve(Links).list(book_review, with_deleted=True)
    assert outcomes == [book if book == pair.left_id else f"taken: {book}" for book in books]


async def test_twenty_at_once_that_make_the_same_pair_make_one(library: Application, scope: Scope, records: Records):
    book, review = await records.book(), await records.review()

    outcomes = await asyncio.gather(*(attempt(library, book, review) for _ in range(20)))

    assert outcomes == [book] * 20
    assert len(await scope.resolve(Links).list(book_review, with_deleted=True)) == 1


async def test_batches_in_opposite_orders_do_not_deadlock_nor_take_a_pair_for_a_second_partner(
    library: Application, records: Records
):
    author = await records.author()
    pairs = [(await records.book(), author) for _ in range(40)]

    async def churn(turn: int) -> None:
        async with library.scope() as own, own.transaction():
            links = own.resolve(Links)
            mine = pairs if turn % 2 else pairs[::-1]
            await (links.create(book_author, mine) if turn % 3 else links.dismiss(book_author, mine))

    await asyncio.gather(*(churn(turn) for turn in range(30)))


async def test_who_makes_a_pair_waits_for_who_makes_the_same_one(library: Application, scope: Scope, records: Records):
    book, author = await records.book(), await records.author()
    async with library.scope() as other:
        async with other.transaction() as transaction:
            # The other one has the book and not yet the pair: as if it were between the two.
            await transaction.sql("SELECT FROM book WHERE id = %s FOR NO KEY UPDATE", (book,))
            attempt_to = asyncio.create_task(make(library, book, author))
            await until_somebody_waits(scope)
            await other.resolve(Links).create(book_author, [(book, author)])
        await attempt_to


async def test_who_gives_a_record_another_partner_is_not_in_the_way_of_who_gives_it_one(
    library: Application, scope: Scope, records: Records
):
    book, old, new = await records.book(), await records.author(), await records.author()
    await make(library, book, old)
    async with library.scope() as other:
        async with other.transaction():
            await other.resolve(Links).dismiss(book_author, [(book, old)])
            attempt_to = asyncio.create_task(make(library, book, new))
            await until_somebody_waits(scope)
            await other.resolve(Links).create(book_author, [(book, new)])
        await attempt_to


async def make(app: Application, book: str, author: str) -> None:
    async with app.scope() as scope, scope.transaction():
        await scope.resolve(Links).create(book_author, [(book, author)])


async def until_somebody_waits(scope: Scope) -> None:
    query = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with asyncio.timeout(5):
        while not await scope.session.sql(query):  # noqa: ASYNC110, the server's state
            await asyncio.sleep(0.01)
