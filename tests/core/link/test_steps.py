"""Pairs made and dismissed by workflows, and undone."""

import pytest

from core.container import Scope
from core.link import LinkPairs, Links, LinkTaken
from core.workflow import PermanentFailure

from .library import book_author, book_review
from .records import Records
from .workflows import Job, link_them, part_them, write_and_ask_in_a_step


async def test_a_workflow_makes_and_dismisses_pairs(scope: Scope, links: Links, records: Records):
    book, review = await records.book(), await records.review()
    pairs = LinkPairs.of(book_review, {(book, review): {"note": "x"}})

    await link_them.run(scope, Job(pairs=pairs))
    [made] = await links.list(book_review)
    assert (made.left_id, made.right_id, made.extra["note"]) == (book, review, "x")

    await part_them.run(scope, Job(pairs=pairs))
    assert await links.list(book_review) == []


async def test_undone_pairs_have_never_been(scope: Scope, links: Links, records: Records):
    pairs = LinkPairs.of(book_author, [(await records.book(), await records.author())])

    with pytest.raises(PermanentFailure):
        await link_them.run(scope, Job(pairs=pairs, fails=True))

    assert await links.list(book_author, with_deleted=True) == []


async def test_undone_a_live_pair_stays_and_a_revived_one_is_dismissed_as_before(
    scope: Scope, links: Links, records: Records
):
    author = await records.author()
    live, dismissed, new = [(await records.book(), author) for _ in range(3)]
    async with scope.transaction():
        await links.create(book_author, [live, dismissed])
        await links.dismiss(book_author, [dismissed])
    before = await links.list(book_author, with_deleted=True)

    with pytest.raises(PermanentFailure):
        await link_them.run(scope, Job(pairs=LinkPairs.of(book_author, [live, dismissed, new]), fails=True))

    assert await links.list(book_author, with_deleted=True) == before


async def test_undone_the_extra_columns_are_what_they_were(scope: Scope, links: Links, records: Records):
    pair = (await records.book(), await records.review())
    extra = {
        "note": "first",
        "stars": 4,
        "seen_at": scope.clock.now(),
        "day": scope.clock.now().date(),
        "price": "1.50",
        "tags": {"a": [1]},
        "colours": ["red"],
    }
    async with scope.transaction():
        await links.create(book_review, {pair: extra})
    before = await links.list(book_review)

    changed = {"note": "second", "stars": 1, "tags": None, "price": None, "day": None, "seen_at": None, "colours": None}
    with pytest.raises(PermanentFailure):
        await link_them.run(scope, Job(pairs=LinkPairs.of(book_review, {pair: changed}), fails=True))

    assert await links.list(book_review) == before


async def test_an_undone_dismissal_brings_back_what_was_live(scope: Scope, links: Links, records: Records):
    author = await records.author()
    live, dismissed = [(await records.book(), author) for _ in range(2)]
    async with scope.transaction():
        await links.create(book_author, [live, dismissed])
        await links.dismiss(book_author, [dismissed])
    before = await links.list(book_author, with_deleted=True)

    with pytest.raises(PermanentFailure):
        await part_them.run(scope, Job(pairs=LinkPairs.of(book_author, [live, dismissed]), fails=True))

    assert await links.list(book_author, with_deleted=True) == before


async def test_a_step_that_is_refused_leaves_nothing(scope: Scope, links: Links, records: Records):
    review = await records.review()
    taken, other, fresh, free = *[await records.book() for _ in range(3)], await records.review()
    async with scope.transaction():
        await links.create(book_review, [(taken, review)])

    with pytest.raises(LinkTaken, match=f"review {review} has another book"):
        await link_them.run(scope, Job(pairs=LinkPairs.of(book_review, [(fresh, free), (other, review)])))

    assert [pair.left_id for pair in await links.list(book_review, with_deleted=True)] == [taken]


async def test_a_pair_cannot_come_back_to_a_place_that_is_taken(scope: Scope, links: Links, records: Records):
    book, first, second = await records.book(), await records.review(), await records.review()
    async with scope.transaction():
        await links.create(book_review, [(book, first)])
        before = await links.list(book_review)
        await links.dismiss(book_review, [(book, first)])
        await links.create(book_review, [(book, second)])

    with pytest.raises(LinkTaken, match=f"book {book} has another review"):
        async with scope.transaction():
            await links.put_back(book_review, before=before, made=[])


async def test_a_graph_within_a_step_sees_what_the_step_has_written(scope: Scope, records: Records):
    assert await write_and_ask_in_a_step.run(scope, await records.author()) == ["new"]
