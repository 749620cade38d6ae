from datetime import UTC, datetime

from ulid import ULID

from core.ids import new_id


def test_an_id_names_its_kind_and_the_time_of_its_making() -> None:
    prefix, _, ulid = new_id("book").partition("_")
    assert prefix == "book"
    assert abs((ULID.from_str(ulid).datetime - datetime.now(UTC)).total_seconds()) < 60


def test_ids_differ() -> None:
    assert len({new_id("book") for _ in range(1000)}) == 1000
