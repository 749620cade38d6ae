"""Pairs made, found, dismissed and revived."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import asdict

from core.container import Scope
from core.db import Transaction
from core.errors import InvalidData, NotFound, NoTransaction
from core.link import LinkedPair, Links, LinkTaken, Pair

from .library import author_review, book_author, book_review
from .records import Records

EXTRA: Mapping[str, Any] = {
    "note": "it's 'quoted' \\ and ünicode",
    "stars": 5,
    "seen_at": datetime(2026, 5, 1, 12, 30, 0, 123456, tzinfo=UTC),
    "day": date(2026, 5, 1),
    "price": Decimal("12.3400"),
    "tags": {"a": [1, None, "x"], "b": {"c": True}},
    "colours": ["red", "deep, blue", ""],
}


def ids(pairs: list[LinkedPair]) -> list[Pair]:
    return [(pair.left_id, pair.right_id) for pair in pairs]


async def test_k1_one_pair_is_found_from_both_sides(scope: Scope, links: Links, records: Records):
    book, author = await records.book(), await records.author()

    async with scope.transaction():
        [made] = await links.create(book_author, [(book, author)])

    assert (made.left_id, made.right_id, made.deleted_at) == (book, author, None)
    assert await links.list(book_author, {"book_id": book}) == [made]
    assert await links.list(book_author, {"author_id": [author, "auth_other"]}) == [made]
    assert await links.list(book_author, {"author_id": "auth_other"}) == []


async def test_k1_many_pairs_are_made_and_parted_in_one_statement_each(
    scope: Scope, links: Links, records: Records, monkeypatch: pytest.MonkeyPatch
):
    statements: list[object] = []
    execute = Transaction.execute

    async def count(transaction: Transaction, statement: Any, values: Any = None) -> Any:
        statements.append(statement)
        return await execute(transaction, statement, values)

    author = await records.author()
    pairs = [(await records.book(), author) for _ in range(30)]
    monkeypatch.setattr(Transaction, "execute", count)

    async with scope.transaction():
        made = await links.create(book_author, pairs[::-1])
        assert len(statements) == 1
        dismissed = await links.dismiss(book_author, pairs)

    assert len(statements) == 2
    assert ids(made) == pairs[::-1]
    assert ids(dismissed) == pairs


async def test_k1_extra_columns_come_back_as_what_they_were(scope: Scope, links: Links, records: Records):
    book, review = await records.book(), await records.review()

    async with scope.transaction():
        [made] = await links.create(book_review, {(book, review): EXTRA})

    assert made.extra == EXTRA
    assert (await links.list(book_review, {"stars": {"$gte": 5}}))[0].extra == EXTRA


async def test_an_extra_column_that_is_left_out_takes_its_default_and_later_keeps_its_value(
    scope: Scope, links: Links, records: Records
):
    pair = (await records.book(), await records.review())

    async with scope.transaction():
        [bare] = await links.create(book_review, [pair])
        [given] = await links.create(book_review, {pair: {"note": "x", "stars": 4}})
        [kept] = await links.create(book_review, {pair: {"note": None}})

    assert (bare.extra["note"], bare.extra["stars"]) == (None, 3)
    assert (given.extra["note"], given.extra["stars"]) == ("x", 4)
    assert (kept.extra["note"], kept.extra["stars"]) == (None, 4)


async def test_k2_a_dismissed_pair_is_hidden_and_its_sides_are_free(scope: Scope, links: Links, records: Records):
    book, first, second = await records.book(), await records.author(), await records.author()
    async with scope.transaction():
        await links.create(book_author, [(book, first)])

    async with scope.transaction():
        [dismissed] = await links.dismiss(book_author, [(book, first)])
        assert await links.dismiss(book_author, [(book, first), (book, second)]) == []
        await links.create(book_author, [(book, second)])

    assert dismissed.deleted_at is not None
    assert ids(await links.list(book_author)) == [(book, second)]
    assert set(ids(await links.list(book_author, with_deleted=True))) == {(book, first), (book, second)}


async def test_k3_a_deletion_by_one_side_hides_its_pairs_and_leaves_them(scope: Scope, links: Links, records: Records):
    book, kept, author = await records.book(), await records.book(), await records.author()
    async with scope.transaction():
        await links.create(book_author, [(book, author), (kept, author)])
        await records.books.soft_delete([book])

    assert ids(await links.list(book_author)) == [(kept, author)]

    async with scope.transaction():
        await records.books.restore([book])
    assert len(await links.list(book_author)) == 2

    async with scope.transaction():
        await records.authors.delete([author])
    assert await links.list(book_author, with_deleted=True) == []


async def test_k4_a_dismissed_pair_made_again_revives(scope: Scope, links: Links, records: Records):
    pair = (await records.book(), await records.review())
    async with scope.transaction():
        [first] = await links.create(book_review, {pair: {"note": "first"}})
        await links.dismiss(book_review, [pair])

    async with scope.transaction():
        [revived] = await links.create(book_review, [pair])

    assert revived.deleted_at is None
    assert (revived.created_at, revived.extra) == (first.created_at, first.extra)
    assert revived.updated_at > first.updated_at
    assert await links.list(book_review, with_deleted=True) == [revived]


async def test_a_live_pair_can_be_made_again(scope: Scope, links: Links, records: Records):
    pair = (await records.book(), await records.author())
    async with scope.transaction():
        await links.create(book_author, [pair, pair])
        await links.create(book_author, [pair])

    assert ids(await links.list(book_author, with_deleted=True)) == [pair]


async def test_pairs_are_listed_in_order_page_by_page(scope: Scope, links: Links, records: Records):
    author = await records.author()
    pairs = sorted([(await records.book(), author) for _ in range(5)])
    async with scope.transaction():
        await links.create(book_author, pairs)

    assert ids(await links.list(book_author, take=2)) == pairs[:2]
    assert ids(await links.list(book_author, take=2, skip=4)) == pairs[4:]


async def test_the_callers_transaction_decides(scope: Scope, links: Links, records: Records):
    pair = (await records.book(), await records.author())

    async def make_and_fail() -> None:
        async with scope.transaction():
            await links.create(book_author, [pair])
            raise KeyError("undo")

    with pytest.raises(KeyError):
        await make_and_fail()

    assert await links.list(book_author, with_deleted=True) == []


async def test_writing_needs_a_transaction(links: Links):
    with pytest.raises(NoTransaction, match=r"links\.create"):
        await links.create(book_author, [])
    with pytest.raises(NoTransaction, match=r"links\.dismiss"):
        await links.dismiss(book_author, [])


async def test_nothing_is_done_for_no_pairs(scope: Scope, links: Links):
    async with scope.transaction():
        assert await links.create(book_author, []) == []
        assert await links.create(book_author, {}) == []
        assert await links.dismiss(book_author, []) == []


async def test_an_unknown_id_of_either_side_is_named(scope: Scope, links: Links, records: Records):
    book, author = await records.book(), await records.author()

    with pytest.raises(NotFound, match="no author auth_nobody") as left:
        async with scope.transaction():
            await links.create(book_author, [(book, "auth_nobody")])
    with pytest.raises(NotFound, match="no book book_none") as right:
        async with scope.transaction():
            await links.create(book_author, [(book, author), ("book_none", author)])

    assert left.value.data == {"entity": "author", "ids": ["auth_nobody"]}
    assert right.value.data == {"entity": "book", "ids": ["book_none"]}


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [
        ({"colour": "red"}, "book_review has no extra column 'colour'"),
        ({"book_id": "b"}, "no extra column 'book_id'"),
        ({"deleted_at": None}, "no extra column 'deleted_at'"),
        ({"stars": "many"}, "stars"),
        ({"stars": 2**31}, "stars"),
        ({"stars": None}, "book_review: null value"),
        ({"note": "a\0b"}, "note"),
        ({"seen_at": datetime(2026, 1, 1)}, "seen_at"),
        ({"tags": float("nan")}, "tags"),
        ({"colours": "red"}, "colours"),
    ],
)
async def test_an_extra_column_that_is_unknown_or_does_not_fit_is_named(
    scope: Scope, links: Links, records: Records, extra: dict[str, Any], complaint: str
):
    pair = (await records.book(), await records.review())
    with pytest.raises(InvalidData, match=complaint):
        async with scope.transaction():
            await links.create(book_review, {pair: extra})


async def test_pairs_of_one_call_give_the_same_extra_columns(scope: Scope, links: Links):
    with pytest.raises(InvalidData, match="same extra columns"):
        async with scope.transaction():
            await links.create(book_review, {("a", "b"): {"note": "x"}, ("c", "d"): {}})


@pytest.mark.parametrize("pair", ["ab", ("a",), ("a", "b", "c"), ("a", 1), ("a\0", "b"), ("a", None)])
async def test_what_is_no_pair_is_refused(scope: Scope, links: Links, pair: Any):
    with pytest.raises(InvalidData):
        async with scope.transaction():
            await links.create(book_author, [pair])


@pytest.mark.parametrize("filters", [{"title": "x"}, {"book_id": {"$near": 1}}, {"deleted_at": "soon"}])
async def test_filters_name_columns_of_the_link(links: Links, filters: dict[str, Any]):
    with pytest.raises(InvalidData, match=next(iter(filters))):
        await links.list(book_author, filters)


async def test_a_pair_may_be_a_list(scope: Scope, links: Links, records: Records):
    pair: Any = [await records.book(), await records.author()]
    async with scope.transaction():
        [made] = await links.create(book_author, [pair])
    assert [made.left_id, made.right_id] == pair


@pytest.mark.parametrize("number", [-1, 2**63, "1", True])
async def test_refuses_pages_that_there_cannot_be(links: Links, number: Any):
    with pytest.raises(InvalidData, match="take"):
        await links.list(book_author, take=number)
    with pytest.raises(InvalidData, match="skip"):
        await links.list(book_author, skip=number)


async def test_filters_combine(scope: Scope, links: Links, records: Records):
    author = await records.author()
    pairs = sorted([(await records.book(), author) for _ in range(3)])
    async with scope.transaction():
        await links.create(book_author, pairs)
    first, second, third = pairs

    either = [{"book_id": first[0]}, {"book_id": third[0], "author_id": author}]
    assert ids(await links.list(book_author, {"$or": either})) == [first, third]
    assert ids(await links.list(book_author, {"$not": {"$or": either}})) == [second]


async def test_text_stays_text_whatever_it_says(scope: Scope, links: Links, records: Records):
    pair = (await records.book(), await records.review())
    evil = """'; DROP TABLE book; -- {"x": 1} \\u0041 $1 %(a)s"""
    async with scope.transaction():
        [made] = await links.create(book_review, {pair: {"note": evil}})

    assert made.extra["note"] == evil
    assert ids(await links.list(book_review, {"note": evil})) == [pair]


async def test_a_link_is_found_by_name(links: Links):
    assert links.named("book_author") is book_author
    with pytest.raises(InvalidData, match="no link 'nothing'"):
        links.named("nothing")


async def test_k8_a_second_partner_is_refused_naming_both_sides(scope: Scope, links: Links, records: Records):
    book, other, review = await records.book(), await records.book(), await records.review()
    async with scope.transaction():
        await links.create(book_review, [(book, review)])

    with pytest.raises(LinkTaken, match=f"review {review} has another book already") as taken:
        async with scope.transaction():
            await links.create(book_review, [(other, review)])

    assert taken.value.status == 409
    assert taken.value.data == {"link": "book_review", "book_id": other, "review_id": review}
    assert ids(await links.list(book_review)) == [(book, review)]


async def test_k8_a_second_partner_within_one_batch_is_refused(scope: Scope, links: Links, records: Records):
    books = [await records.book() for _ in range(3)]
    review, author = await records.review(), await records.author()

    with pytest.raises(LinkTaken, match=f"review {review} has another book"):
        async with scope.transaction():
            await links.create(book_review, [(books[0], review), (books[1], review)])
    with pytest.raises(LinkTaken, match=f"book {books[0]} has another author"):
        async with scope.transaction():
            await links.create(book_author, [(books[0], author), (books[0], await records.author())])

    assert await links.list(book_review) == await links.list(book_author) == []


async def test_k8_the_pair_of_a_batch_that_was_refused_is_named(scope: Scope, links: Links, records: Records):
    books, reviews = [await records.book() for _ in range(3)], [await records.review() for _ in range(3)]
    async with scope.transaction():
        await links.create(book_review, [(books[0], reviews[1])])

    with pytest.raises(LinkTaken) as taken:
        async with scope.transaction():
            await links.create(book_review, [(books[2], reviews[2]), (books[1], reviews[1])])

    assert taken.value.data == {"link": "book_review", "book_id": books[1], "review_id": reviews[1]}
    assert ids(await links.list(book_review)) == [(books[0], reviews[1])]


async def test_k8_a_dismissed_pair_cannot_revive_where_its_place_is_taken(scope: Scope, links: Links, records: Records):
    book, first, second = await records.book(), await records.review(), await records.review()
    async with scope.transaction():
        await links.create(book_review, [(book, first)])
        await links.dismiss(book_review, [(book, first)])
        await links.create(book_review, [(book, second)])

    with pytest.raises(LinkTaken, match=f"book {book} has another review"):
        async with scope.transaction():
            await links.create(book_review, [(book, first)])


async def test_sides_of_which_there_are_many_take_many(scope: Scope, links: Links, records: Records):
    authors, reviews = [await records.author() for _ in range(2)], [await records.review() for _ in range(2)]
    pairs = [(author, review) for author in sorted(authors) for review in sorted(reviews)]
    async with scope.transaction():
        await links.create(author_review, pairs)

    assert [asdict(pair)["right_id"] for pair in await links.list(author_review)] == [review for _, review in pairs]
