"""Three modules that know nothing of each other, and the links between them."""

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import Column, Date, Integer, MetaData, Numeric, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped

from core.db import EntityColumns, TableBase, UtcDateTime, module_metadata
from core.link import define_link
from core.module import Entity, Module, Service


class AuthorBase(TableBase):
    metadata = module_metadata()


class BookBase(TableBase):
    metadata = module_metadata()


class ReviewBase(TableBase):
    metadata = module_metadata()


class AuthorTable(EntityColumns, AuthorBase):
    __tablename__ = "author"
    name: Mapped[str]


class BookTable(EntityColumns, BookBase):
    __tablename__ = "book"
    name: Mapped[str]


class StampTable(EntityColumns, BookBase):
    __tablename__ = "stamp"
    name: Mapped[str]


class ReviewTable(EntityColumns, ReviewBase):
    __tablename__ = "review"
    name: Mapped[str]


class Record(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    deleted_at: datetime | None


class Create(Struct, frozen=True, kw_only=True):
    name: str = "one"


class Update(Struct, frozen=True, kw_only=True):
    id: str
    name: str | UnsetType = UNSET


AUTHOR = Entity("author", table=AuthorTable, struct=Record, create=Create, update=Update, id_prefix="auth")
BOOK = Entity("book", table=BookTable, struct=Record, create=Create, update=Update, id_prefix="book")
STAMP = Entity("stamp", table=StampTable, struct=Record, id_prefix="stmp")
REVIEW = Entity("review", table=ReviewTable, struct=Record, create=Create, update=Update, id_prefix="rvw")


class AuthorService(Service):
    authors = AUTHOR.repository()


class BookService(Service):
    books = BOOK.repository()
    stamps = STAMP.reader()


class ReviewService(Service):
    reviews = REVIEW.repository()


authors = Module("authors", service=AuthorService, entities=[AUTHOR])
books = Module("books", service=BookService, entities=[BOOK, STAMP])
reviews = Module("reviews", service=ReviewService, entities=[REVIEW])
MODULES = [authors, books, reviews]
METADATA: list[MetaData] = [AuthorBase.metadata, BookBase.metadata, ReviewBase.metadata]

book_author = define_link(BOOK.many(), AUTHOR, delete_cascade=[BOOK])
book_review = define_link(
    BOOK,
    REVIEW,
    delete_cascade=[REVIEW],
    extra_columns=[
        Column("note", Text),
        Column("stars", Integer, nullable=False, server_default=text("3")),
        Column("seen_at", UtcDateTime),
        Column("day", Date),
        Column("price", Numeric),
        Column("tags", JSONB),
        Column("colours", ARRAY(Text)),
    ],
)
author_review = define_link(AUTHOR.many(), REVIEW.many(), delete_cascade=[AUTHOR])
LINKS = [book_author, book_review, author_review]
