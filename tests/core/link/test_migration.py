"""Link tables follow the links: `holdfast migrate`, `--check` and `/ready`."""

import threading
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from sqlalchemy import Column, Integer, Table, Text, create_engine

from core.db.branch import branches
from core.db.engine import database_url
from core.db.migrate import LOCK, Migrations, pending
from core.errors import Busy, ConfigurationError
from core.link import Link, define_link
from core.testing import application_on

from .library import AUTHOR, BOOK, METADATA, MODULES, REVIEW

WATCH = """
CREATE TABLE ddl (tag text);
CREATE FUNCTION log_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO ddl SELECT command_tag FROM pg_event_trigger_ddl_commands(); END $$;
CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION log_ddl()"""


def migrations(url: str, *links: Link, told: list[str] | None = None, wait_seconds: float = 60) -> Migrations:
    report = ([] if told is None else told).append
    return Migrations(url, branches([]), links=[link.table for link in links], report=report, wait_seconds=wait_seconds)


def run(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def columns(url: str, table: str) -> dict[str, str]:
    found = run(
        url, f"SELECT column_name, data_type FROM information_schema.columns WHERE table_name = '{table}' ORDER BY 1"
    )
    return {name: kind for name, kind in found if name not in ("created_at", "updated_at", "deleted_at")}


def fill(url: str, *pairs: tuple[str, str], deleted: bool = False) -> None:
    with psycopg.connect(url) as connection:
        for book, author in pairs:
            for name, id in (("book", book), ("author", author)):
                record = f"INSERT INTO {name} (id, name, created_at, updated_at) VALUES (%s, '', now(), now())"
                connection.execute(f"{record} ON CONFLICT DO NOTHING".encode(), [id])
            pair = "INSERT INTO link_book_author (book_id, author_id, created_at, updated_at, deleted_at)"
            dismissed = "2026-01-01" if deleted else None
            connection.execute(f"{pair} VALUES (%s, %s, now(), now(), %s)".encode(), [book, author, dismissed])


@pytest.fixture
def url(core_database_url: str) -> str:
    """A database with the tables of the library, without those of its links."""
    engine = create_engine(database_url(core_database_url))
    for metadata in METADATA:
        metadata.create_all(engine)
    engine.dispose()
    return core_database_url


def test_k7_a_new_link_gets_a_table_with_its_keys(url: str):
    told: list[str] = []
    link = define_link(BOOK.many(), AUTHOR, extra_columns=[Column("note", Text)])
    wanted = migrations(url, link, told=told)
    assert wanted.missing() == ["create link_book_author"]

    wanted.upgrade()

    assert told == ["applied: create link_book_author"]
    assert wanted.missing() == wanted.differences() == wanted.obsolete() == []
    assert columns(url, "link_book_author") == {"book_id": "text", "author_id": "text", "note": "text"}
    indexes = run(url, "SELECT indexdef FROM pg_indexes WHERE tablename = 'link_book_author' ORDER BY indexname")
    assert [text.partition(" ON public.link_book_author USING btree ")[::2] for (text,) in indexes] == [
        ('CREATE INDEX "IDX_link_book_author_author_id"', "(author_id)"),
        ('CREATE UNIQUE INDEX "PK_link_book_author"', "(book_id, author_id)"),
        ('CREATE UNIQUE INDEX "UQ_link_book_author_book_id"', "(book_id) WHERE (deleted_at IS NULL)"),
    ]
    keys = run(url, "SELECT confrelid::regclass::text, confdeltype FROM pg_constraint WHERE conname LIKE 'FK_link_%'")
    assert sorted(keys) == [("author", "c"), ("book", "c")]


def test_k7_nothing_happens_to_an_unchanged_link(url: str):
    told: list[str] = []
    links = define_link(BOOK.many(), AUTHOR, extra_columns=[Column("n", Integer, server_default="3", nullable=False)])
    migrations(url, links).upgrade()
    run(url, WATCH)

    migrations(url, links, told=told).upgrade(allow_destructive=True)

    assert told == []
    assert run(url, "SELECT tag FROM ddl") == []


def test_k7_an_extra_column_is_added(url: str):
    migrations(url, define_link(BOOK.many(), AUTHOR)).upgrade()
    fill(url, ("b", "a"))
    told: list[str] = []
    extra = [Column("note", Text), Column("stars", Integer, server_default="3", nullable=False)]
    wanted = migrations(url, define_link(BOOK.many(), AUTHOR, extra_columns=extra), told=told)
    assert wanted.missing() == ["add link_book_author.note", "add link_book_author.stars"]

    wanted.upgrade()

    assert told == ["applied: add link_book_author.note", "applied: add link_book_author.stars"]
    assert wanted.missing() == wanted.differences() == []
    assert run(url, "SELECT note, stars FROM link_book_author") == [(None, 3)]


def test_k7_a_link_that_is_gone_is_listed_and_dropped_only_when_allowed(url: str):
    migrations(url, define_link(BOOK, AUTHOR)).upgrade()
    fill(url, ("b", "a"))
    told: list[str] = []
    wanted = migrations(url, told=told)

    assert wanted.missing() == []
    assert wanted.obsolete() == ["drop link_book_author"]
    wanted.upgrade()
    assert told == ["not done without --allow-destructive: drop link_book_author"]
    assert run(url, "SELECT count(*) FROM link_book_author") == [(1,)]

    wanted.upgrade(allow_destructive=True)
    assert told[1:] == ["applied: drop link_book_author"]
    assert columns(url, "link_book_author") == {}
    assert wanted.obsolete() == []
    assert run(url, "SELECT * FROM link_definition") == []


def test_a_table_that_somebody_dropped_by_hand_is_forgotten_when_allowed(url: str):
    migrations(url, define_link(BOOK, AUTHOR)).upgrade()
    run(url, "DROP TABLE link_book_author")
    wanted = migrations(url)

    wanted.upgrade(allow_destructive=True)

    assert wanted.obsolete() == []


def test_an_extra_column_that_is_gone_is_listed_and_dropped_only_when_allowed(url: str):
    migrations(url, define_link(BOOK, AUTHOR, extra_columns=[Column("note", Text)])).upgrade()
    told: list[str] = []
    wanted = migrations(url, define_link(BOOK, AUTHOR, extra_columns=[Column("stars", Integer)]), told=told)

    wanted.upgrade()
    assert told == [
        "applied: add link_book_author.stars",
        "not done without --allow-destructive: drop link_book_author.note",
    ]
    assert wanted.missing() == []
    assert set(columns(url, "link_book_author")) == {"book_id", "author_id", "note", "stars"}

    wanted.upgrade(allow_destructive=True)
    assert set(columns(url, "link_book_author")) == {"book_id", "author_id", "stars"}
    assert wanted.obsolete() == wanted.differences() == []


def test_a_column_of_another_type_is_altered_only_when_allowed(url: str):
    migrations(url, define_link(BOOK, AUTHOR, extra_columns=[Column("n", Text, server_default="none")])).upgrade()
    fill(url, ("b", "a"))
    run(url, "UPDATE link_book_author SET n = '7'")
    changed = Column("n", Integer, server_default="5", nullable=False)
    wanted = migrations(url, define_link(BOOK, AUTHOR, extra_columns=[changed]))

    assert wanted.missing() == ["alter link_book_author.n"]
    with pytest.raises(ConfigurationError, match=r"allow it with --allow-destructive: alter link_book_author\.n"):
        wanted.upgrade()
    assert columns(url, "link_book_author")["n"] == "text"

    wanted.upgrade(allow_destructive=True)
    assert wanted.missing() == wanted.obsolete() == wanted.differences() == []
    fill(url, ("b2", "a2"))
    assert run(url, "SELECT n FROM link_book_author ORDER BY 1") == [(5,), (7,)]


def test_an_alteration_that_the_data_does_not_fit_changes_nothing(url: str):
    migrations(url, define_link(BOOK, AUTHOR, extra_columns=[Column("n", Text)])).upgrade()
    fill(url, ("b", "a"))
    run(url, "UPDATE link_book_author SET n = 'many'")
    wanted = migrations(url, define_link(BOOK, AUTHOR, extra_columns=[Column("n", Integer), Column("m", Integer)]))

    with pytest.raises(ConfigurationError, match=r"cannot alter link_book_author\.n: invalid input syntax"):
        wanted.upgrade(allow_destructive=True)

    assert columns(url, "link_book_author") == {"book_id": "text", "author_id": "text", "n": "text"}
    assert wanted.missing() == ["alter link_book_author.n", "add link_book_author.m"]


def test_another_cardinality_is_taken_over_where_the_pairs_fit(url: str):
    told: list[str] = []
    migrations(url, define_link(BOOK, AUTHOR)).upgrade()
    fill(url, ("b1", "a1"), ("b2", "a2"))
    fill(url, ("b1", "a2"), deleted=True)

    for link in (define_link(BOOK.many(), AUTHOR.many()), define_link(BOOK, AUTHOR.many()), define_link(BOOK, AUTHOR)):
        wanted = migrations(url, link, told=told)
        wanted.upgrade()
        assert wanted.missing() == wanted.differences() == []

    assert told == [
        "applied: allow many live pairs per link_book_author.author_id",
        "applied: allow many live pairs per link_book_author.book_id",
        "applied: require one live pair per link_book_author.author_id",
        "applied: require one live pair per link_book_author.book_id",
    ]
    with pytest.raises(psycopg.errors.UniqueViolation):
        fill(url, ("b1", "a3"))


def test_another_cardinality_that_the_pairs_do_not_fit_is_refused_whole(url: str):
    migrations(url, define_link(BOOK.many(), AUTHOR.many())).upgrade()
    fill(url, ("b1", "a1"), ("b1", "a2"))
    wanted = migrations(url, define_link(BOOK.many(), AUTHOR, extra_columns=[Column("note", Text)]))

    with pytest.raises(
        ConfigurationError, match=r"cannot require one live pair per link_book_author\.book_id: .*\(book_id\)=\(b1\)"
    ):
        wanted.upgrade()

    assert wanted.missing() == ["add link_book_author.note", "require one live pair per link_book_author.book_id"]
    assert set(columns(url, "link_book_author")) == {"book_id", "author_id"}


def test_a_link_with_another_table_leaves_the_old_one_until_allowed(url: str):
    told: list[str] = []
    migrations(url, define_link(BOOK, AUTHOR)).upgrade()
    fill(url, ("b", "a"))
    wanted = migrations(url, define_link(BOOK, AUTHOR, table="link_written_by"), told=told)

    wanted.upgrade()

    assert told == [
        "applied: create link_written_by",
        "not done without --allow-destructive: drop link_book_author",
    ]
    assert run(url, "SELECT count(*) FROM link_book_author") == [(1,)]


def test_a_table_that_now_links_others_is_replaced_only_when_allowed(url: str):
    migrations(url, define_link(BOOK, AUTHOR, table="link_x")).upgrade()
    wanted = migrations(url, define_link(BOOK, REVIEW, table="link_x"))

    with pytest.raises(ConfigurationError, match="replace link_x"):
        wanted.upgrade()
    assert set(columns(url, "link_x")) == {"book_id", "author_id"}

    wanted.upgrade(allow_destructive=True)
    assert set(columns(url, "link_x")) == {"book_id", "review_id"}
    assert wanted.missing() == wanted.obsolete() == []


def test_a_table_of_somebody_else_is_not_taken_over(url: str):
    run(url, "CREATE TABLE link_book_author (id text)")

    with pytest.raises(ConfigurationError, match='cannot create link_book_author: relation "link_book_author" already'):
        migrations(url, define_link(BOOK, AUTHOR)).upgrade()

    assert run(url, "SELECT * FROM link_definition") == []


def test_a_change_by_hand_is_a_difference(url: str):
    wanted = migrations(url, define_link(BOOK, AUTHOR))
    wanted.upgrade()
    run(url, 'DROP INDEX "UQ_link_book_author_book_id"')

    [difference] = wanted.differences()

    assert difference.startswith("link_book_author: op.create_index('UQ_link_book_author_book_id'")


def test_links_of_nobodys_tables_leave_nothing(core_database_url: str):
    with pytest.raises(ConfigurationError, match='relation "book" does not exist'):
        migrations(core_database_url, define_link(BOOK, AUTHOR)).upgrade()

    assert run(core_database_url, "SELECT * FROM link_definition") == []


def test_two_migrators_at_once_make_one_table(url: str):
    told: list[str] = []
    link = define_link(BOOK, AUTHOR)
    both = [threading.Thread(target=migrations(url, link, told=told).upgrade) for _ in range(4)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(30)

    assert [line for line in told if line.startswith("applied")] == ["applied: create link_book_author"]


def test_link_tables_are_left_alone_without_the_lock(url: str):
    with psycopg.connect(url) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        with pytest.raises(Busy):
            migrations(url, define_link(BOOK, AUTHOR), wait_seconds=0.1).upgrade(allow_destructive=True)

    assert run(url, "SELECT * FROM link_definition") == []


async def test_a_process_is_ready_when_the_database_has_at_least_its_links(url: str):
    async def lacking(*links: Link) -> Sequence[str]:
        app = application_on(url, modules=MODULES, links=links)
        try:
            return await pending(app)
        finally:
            await app.database.dispose()

    plain = define_link(BOOK, AUTHOR)
    assert await lacking(plain) == ["link_book_author"]

    migrations(url, plain).upgrade()
    assert await lacking(plain) == await lacking() == []
    noted = define_link(BOOK, AUTHOR, extra_columns=[Column("note", Text)])
    assert await lacking(noted) == ["link_book_author.note"]

    migrations(url, noted).upgrade()
    assert await lacking(plain) == await lacking(noted) == []
    assert await lacking(define_link(BOOK, AUTHOR, extra_columns=[Column("note", Integer)])) == [
        "link_book_author.note"
    ]
    assert await lacking(define_link(BOOK, REVIEW, table="link_book_author")) == ["link_book_author"]
    # Old processes stay ready while a newer one lets many be where there was one.
    assert await lacking(define_link(BOOK.many(), AUTHOR, extra_columns=[Column("note", Text)])) == []


async def test_a_process_is_not_ready_before_the_core_is_migrated(empty_database_url: str):
    app = application_on(empty_database_url, modules=MODULES, links=[define_link(BOOK, AUTHOR)])

    assert await pending(app) == ["core_0001", "link_book_author"]

    await app.database.dispose()


def test_taking_the_core_away_takes_the_link_tables_along(url: str):
    told: list[str] = []
    wanted = migrations(url, define_link(BOOK, AUTHOR), told=told)
    wanted.upgrade()

    wanted.move("core_0000")
    assert told[1:] == ["dropped link_book_author", "took back core_0001"]

    wanted.upgrade()
    assert wanted.missing() == []


def table_names(tables: Sequence[Table[Any]]) -> list[str]:
    return [str(table.name) for table in tables]


async def test_an_application_knows_its_link_tables(url: str):
    app = application_on(url, modules=MODULES, links=[define_link(BOOK, AUTHOR), define_link(AUTHOR, REVIEW)])

    assert table_names(app.link_tables) == ["link_book_author", "link_author_review"]

    await app.database.dispose()
