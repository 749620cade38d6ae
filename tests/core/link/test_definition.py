"""What a link is, and what stops the start."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Column, Enum, ForeignKey, Integer, LargeBinary, Text

from core.app import Application
from core.errors import ConfigurationError
from core.link import Link, define_link
from core.module import Entity, Many, Module
from core.testing import application_on

from .library import AUTHOR, BOOK, LINKS, MODULES, REVIEW, STAMP, BookService, Record, StampTable, authors, books

NOWHERE = "postgresql:///nowhere"


def sides(link: Link) -> list[tuple[str, str, bool, bool]]:
    return [(side.name, side.column, side.many, side.delete_cascade) for side in link.sides]


def unique(link: Link) -> set[str]:
    return {column.name for index in link.table.indexes if index.unique for column in index.columns}


@pytest.mark.parametrize(
    ("link", "expected", "one_of"),
    [
        (
            define_link(BOOK, AUTHOR),
            [("book", "book_id", False, False), ("author", "author_id", False, False)],
            {"book_id", "author_id"},
        ),
        (
            define_link(BOOK.many(), AUTHOR, delete_cascade=[BOOK]),
            [("books", "book_id", True, True), ("author", "author_id", False, False)],
            {"book_id"},
        ),
        (
            define_link(BOOK, AUTHOR.many(), left_name="work", right_name="writers"),
            [("work", "book_id", False, False), ("writers", "author_id", True, False)],
            {"author_id"},
        ),
        (
            define_link(BOOK.many(), AUTHOR.many(), delete_cascade=[AUTHOR, BOOK]),
            [("books", "book_id", True, True), ("authors", "author_id", True, True)],
            set[str](),
        ),
    ],
)
def test_sides_are_named_and_limited_by_how_many_there_are(
    link: Link, expected: list[tuple[str, str, bool, bool]], one_of: set[str]
):
    assert sides(link) == expected
    assert unique(link) == one_of


def test_a_link_is_named_for_its_table():
    assert (define_link(BOOK, AUTHOR).name, str(define_link(BOOK, AUTHOR).table.name)) == (
        "book_author",
        "link_book_author",
    )
    assert define_link(BOOK, AUTHOR, table="link_written_by").name == "written_by"
    assert define_link(BOOK, AUTHOR, table="authorship").name == "authorship"


def test_many_keeps_the_entity():
    many = BOOK.many()

    assert isinstance(many, Many)
    assert many.entity is BOOK


@pytest.mark.parametrize(
    ("define", "complaint"),
    [
        (lambda: define_link(BOOK, BOOK), "book cannot be linked to itself"),
        (lambda: define_link(BOOK.many(), BOOK), "book cannot be linked to itself"),
        (lambda: define_link(BOOK, AUTHOR, delete_cascade=[REVIEW]), "delete_cascade of book and author names review"),
        (lambda: define_link(BOOK, AUTHOR, table="l" * 60), "too long a name"),
        (lambda: extra(Column("book_id", Text)), "a column twice: book_id, author_id, book_id"),
        (lambda: extra(Column("deleted_at", Text)), "a column twice"),
        (lambda: extra(Column("note", Text), Column("note", Text)), "a column twice"),
        (lambda: extra(Column("note", Text, primary_key=True)), "link_book_author.note: an extra column has no key"),
        (lambda: extra(Column("note", Text, unique=True)), "no key and no index"),
        (lambda: extra(Column("note", Text, index=True)), "no key and no index"),
        (lambda: extra(Column("note", Text, ForeignKey(StampTable.id))), "no key and no index"),
        (lambda: extra(Column("stars", Integer, nullable=False)), "make it nullable or give it a server_default"),
        (lambda: extra(Column("note", LargeBinary)), "no binary data"),
        (lambda: extra(Column("note", Enum("a", "b"))), "an enum as text"),
    ],
)
def test_what_cannot_be_linked_stops_the_start(define: Callable[[], Link], complaint: str):
    with pytest.raises(ConfigurationError, match=complaint):
        define()


def extra(*columns: Column[Any]) -> Link:
    return define_link(BOOK, AUTHOR, extra_columns=columns)


def test_an_entity_with_reads_only_cannot_be_deleted_along():
    link = define_link(STAMP, AUTHOR, delete_cascade=[STAMP])

    with pytest.raises(ConfigurationError, match="BookService has no repository of stamp that could delete any"):
        application_on(NOWHERE, modules=MODULES, links=[link])

    application_on(NOWHERE, modules=MODULES, links=[define_link(STAMP, AUTHOR, delete_cascade=[AUTHOR])])


def test_a_link_of_a_module_that_is_not_there_stops_the_start():
    with pytest.raises(ConfigurationError, match="a link names review, which is in no module of this application"):
        application_on(NOWHERE, modules=[authors, books], links=LINKS)


def test_two_links_of_one_name_stop_the_start():
    with pytest.raises(ConfigurationError, match="two links are called book_author"):
        application_on(NOWHERE, modules=MODULES, links=[define_link(BOOK, AUTHOR), define_link(BOOK.many(), AUTHOR)])


def test_an_entity_of_the_same_name_is_another_one():
    impostor = Entity("book", table=StampTable, struct=Record, id_prefix="x")
    Module("impostors", service=BookService, entities=[impostor])

    with pytest.raises(ConfigurationError, match="a link names book, which is in no module"):
        application_on(NOWHERE, modules=MODULES, links=[define_link(impostor, AUTHOR)])


async def test_the_links_of_the_shop_are_found(application: Application):
    assert set(application.links) >= {"booking_order", "booking_customer", "service_product", "order_customer"}
    assert {str(table.name) for table in application.link_tables} == {f"link_{name}" for name in application.links}
