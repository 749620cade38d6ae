"""Deletions that follow links, and the way back."""

import asyncio
from datetime import datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from core.app import Application
from core.container import Scope
from core.errors import ConfigurationError, InvalidData, NotFound, NoTransaction
from core.link import Links

from .library import AUTHOR, BOOK, REVIEW, STAMP, BookService, author_review, book_author, book_review
from .records import Records


async def link(scope: Scope, links: Links, author: str, book: str, review: str) -> None:
    async with scope.transaction():
        await links.create(book_author, [(book, author)])
        await links.create(book_review, [(book, review)])


async def delete(scope: Scope, links: Links, entity: Any, *ids: str) -> None:
    async with scope.transaction():
        await links.delete(entity, ids)


async def restore(scope: Scope, links: Links, entity: Any, *ids: str) -> None:
    async with scope.transaction():
        await links.restore(entity, ids)


async def test_k5_a_deletion_cascades_over_three_modules_and_comes_back_whole(
    scope: Scope, links: Links, records: Records
):
    author, bystander, lonely = await records.author(), await records.author(), await records.review()
    books, reviews = [await records.book() for _ in range(2)], [await records.review() for _ in range(2)]
    for book, review in zip(books, reviews, strict=True):
        await link(scope, links, author, book, review)

    await delete(scope, links, AUTHOR, author)
    assert await records.live() == {bystander, lonely}
    assert await links.list(book_author) == []

    await restore(scope, links, AUTHOR, author)
    assert await records.live() == {author, bystander, lonely, *books, *reviews}
    assert len(await links.list(book_review)) == 2


async def test_a_deletion_does_not_run_against_its_direction(scope: Scope, links: Links, records: Records):
    author, book, review = await records.author(), await records.book(), await records.review()
    await link(scope, links, author, book, review)

    await delete(scope, links, BOOK, book)

    assert await records.live() == {author}


async def test_a_dismissed_pair_leads_nowhere(scope: Scope, links: Links, records: Records):
    author, book, review = await records.author(), await records.book(), await records.review()
    await link(scope, links, author, book, review)
    async with scope.transaction():
        await links.dismiss(book_author, [(book, author)])

    await delete(scope, links, AUTHOR, author)

    assert await records.live() == {book, review}


async def test_a_cycle_ends(scope: Scope, links: Links, records: Records):
    author, book, review = await records.author(), await records.book(), await records.review()
    await link(scope, links, author, book, review)
    async with scope.transaction():
        await links.create(author_review, [(author, review)])

    for entity, id in ((AUTHOR, author), (BOOK, book), (REVIEW, review)):
        await delete(scope, links, entity, id)
        assert await records.live() == set()
        await restore(scope, links, entity, id)
        assert await records.live() == {author, book, review}


async def test_what_was_deleted_before_stays_deleted(scope: Scope, links: Links, records: Records):
    author, book, review = await records.author(), await records.book(), await records.review()
    await link(scope, links, author, book, review)
    async with scope.transaction():
        await records.reviews.soft_delete([review])

    await delete(scope, links, AUTHOR, author)
    await restore(scope, links, AUTHOR, author)

    assert await records.live() == {author, book}


async def test_what_was_deleted_anew_since_stays_deleted(scope: Scope, links: Links, records: Records):
    author, book, review = await records.author(), await records.book(), await records.review()
    await link(scope, links, author, book, review)
    await delete(scope, links, AUTHOR, author)
    async with scope.transaction():
        await records.reviews.restore([review])
    async with scope.transaction():
        await records.reviews.soft_delete([review])

    await restore(scope, links, AUTHOR, author)

    assert await records.live() == {author, book}


async def test_what_has_come_back_since_is_left_alone(scope: Scope, links: Links, records: Records):
    author, book, review = await records.author(), await records.book(), await records.review()
    await link(scope, links, author, book, review)
    await delete(scope, links, AUTHOR, author)
    async with scope.transaction():
        await records.books.restore([book])
        before = await records.books.retrieve(book)

    await restore(scope, links, AUTHOR, author)

    assert await records.books.retrieve(book) == before
    assert await records.live() == {author, book, review}


async def test_an_earlier_deletion_of_the_same_record_says_nothing_about_a_later_one(
    scope: Scope, links: Links, records: Records
):
    author, book, review = await records.author(), await records.book(), await records.review()
    await link(scope, links, author, book, review)
    await delete(scope, links, AUTHOR, author)
    async with scope.transaction():
        await records.authors.restore([author])
    async with scope.transaction():
        await records.authors.soft_delete([author])

    await restore(scope, links, AUTHOR, author)

    assert await records.live() == {author}


async def test_what_came_back_past_the_links_can_be_deleted_and_restored_again(
    scope: Scope, links: Links, records: Records
):
    author, book, review = await records.author(), await records.book(), await records.review()
    await link(scope, links, author, book, review)
    await delete(scope, links, AUTHOR, author)
    async with scope.transaction():
        await records.authors.restore([author])
        await records.books.restore([book])

    await delete(scope, links, AUTHOR, author)
    await restore(scope, links, AUTHOR, author)

    assert await records.live() == {author, book}


async def test_deleting_twice_forgets_nothing(scope: Scope, links: Links, records: Records):
    author, book, review = await records.author(), await records.book(), await records.review()
    await link(scope, links, author, book, review)
    await delete(scope, links, AUTHOR, author)

    await delete(scope, links, AUTHOR, author)
    await restore(scope, links, AUTHOR, author)

    assert await records.live() == {author, book, review}


async def test_a_record_that_was_taken_along_comes_back_alone(scope: Scope, links: Links, records: Records):
    author, book, review = await records.author(), await records.book(), await records.review()
    await link(scope, links, author, book, review)
    await delete(scope, links, AUTHOR, author)

    await restore(scope, links, BOOK, book)

    assert await records.live() == {book}


async def test_each_of_two_records_deleted_together_brings_back_its_own(scope: Scope, links: Links, records: Records):
    first, second = await records.author(), await records.author()
    books, reviews = [await records.book() for _ in range(2)], [await records.review() for _ in range(2)]
    await link(scope, links, first, books[0], reviews[0])
    await link(scope, links, second, books[1], reviews[1])
    await delete(scope, links, AUTHOR, first, second)

    await restore(scope, links, AUTHOR, second)
    assert await records.live() == {second, books[1], reviews[1]}

    await restore(scope, links, AUTHOR, first)
    assert await records.live() == {first, second, *books, *reviews}


async def test_what_two_have_in_common_comes_back_with_either(scope: Scope, links: Links, records: Records):
    reviews, author = sorted([await records.review() for _ in range(2)]), await records.author()
    async with scope.transaction():
        await links.create(author_review, [(author, review) for review in reviews])
    await delete(scope, links, REVIEW, *reviews)
    assert await records.live() == set()

    await restore(scope, links, REVIEW, reviews[1])
    assert await records.live() == {author, reviews[1]}


async def test_an_unknown_id_is_named_and_nothing_happens(scope: Scope, links: Links, records: Records):
    author, book, review = await records.author(), await records.book(), await records.review()
    await link(scope, links, author, book, review)

    with pytest.raises(NotFound, match="no author auth_nobody"):
        await delete(scope, links, AUTHOR, author, "auth_nobody")
    with pytest.raises(NotFound, match="no author auth_nobody"):
        await restore(scope, links, AUTHOR, "auth_nobody")

    assert await records.live() == {author, book, review}


async def test_a_deletion_that_a_repository_refuses_leaves_everything(
    scope: Scope, links: Links, records: Records, library_url: str
):
    author, book, review = await records.author(), await records.book(), await records.review()
    await link(scope, links, author, book, review)
    with psycopg.connect(library_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE review ADD CONSTRAINT forever CHECK (deleted_at IS NULL)")
        try:
            with pytest.raises(InvalidData, match="forever"):
                await delete(scope, links, AUTHOR, author)
        finally:
            connection.execute("ALTER TABLE review DROP CONSTRAINT forever")

    assert await records.live() == {author, book, review}


async def test_the_repository_of_the_service_deletes_also_where_it_was_overridden(library: Application):
    class Other(BookService):
        def __init__(self, scope: Scope) -> None:
            super().__init__(scope)
            made.append("overridden")

    made: list[str] = []
    library.container.override(BookService, Other)
    async with library.scope() as scope:
        with pytest.raises(NotFound):
            await delete(scope, scope.resolve(Links), BOOK, "book_none")

    assert made == ["overridden"]


async def test_an_entity_with_reads_only_cannot_be_deleted(scope: Scope, links: Links):
    with pytest.raises(ConfigurationError, match="BookService has no repository of stamp"):
        await delete(scope, links, STAMP, "stmp_1")


async def test_deleting_needs_a_transaction(links: Links):
    with pytest.raises(NoTransaction, match=r"links\.delete"):
        await links.delete(AUTHOR, [])
    with pytest.raises(NoTransaction, match=r"links\.restore"):
        await links.restore(AUTHOR, [])


async def test_deleting_nothing_does_nothing(scope: Scope, links: Links):
    await delete(scope, links, AUTHOR)
    await restore(scope, links, AUTHOR)


async def test_a_pair_that_is_being_made_is_waited_for(library: Application, records: Records):
    author, book = await records.author(), await records.book()
    async with library.scope() as other, library.scope() as mine:
        async with other.transaction():
            await other.resolve(Links).create(book_author, [(book, author)])
            deletion = asyncio.create_task(delete(mine, mine.resolve(Links), AUTHOR, author))
            await until_somebody_waits(library)
            assert not deletion.done()
        await deletion

    assert await records.live() == set()


async def until_somebody_waits(library: Application) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(5), library.scope() as scope:
        while (await scope.session.read(waiting))[0][0] == 0:  # noqa: ASYNC110, the server's state
            await asyncio.sleep(0.01)


async def test_times_of_deletion_are_those_of_the_repositories(scope: Scope, links: Links, records: Records):
    author, book, review = await records.author(), await records.book(), await records.review()
    await link(scope, links, author, book, review)
    await delete(scope, links, AUTHOR, author)

    kept: dict[str, datetime] = dict(await scope.session.sql("SELECT record_id, deleted_at FROM link_deletion"))

    assert kept == {
        author: (await records.authors.retrieve(author, with_deleted=True)).deleted_at,
        book: (await records.books.retrieve(book, with_deleted=True)).deleted_at,
        review: (await records.reviews.retrieve(review, with_deleted=True)).deleted_at,
    }
    await restore(scope, links, AUTHOR, author)
    assert await scope.session.sql("SELECT record_id FROM link_deletion") == []
