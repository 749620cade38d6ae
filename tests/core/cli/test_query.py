import json
from collections.abc import Sequence

import psycopg
import pytest

from .conftest import Holdfast

FILL = """
INSERT INTO toy (id, name, created_at, updated_at, deleted_at)
VALUES ('toy_1', 'bear', now(), now(), NULL), ('toy_2', 'car', now(), now(), NULL),
    ('toy_3', 'duck', now(), now(), now())
"""


@pytest.fixture
def url(toys_database_url: str) -> str:
    """A shop with a bear and a car; a duck is deleted."""
    with psycopg.connect(toys_database_url) as connection:
        connection.execute(FILL)
    return toys_database_url


@pytest.mark.parametrize(
    ("options", "names", "count"),
    [
        ([], ["bear", "car"], None),
        (["--order", "-name", "--count"], ["car", "bear"], 2),
        (["--order", "-name", "--take", "1", "--skip", "1"], ["bear"], None),
        (["--filters", '{"name": {"$like": "c%"}}', "--count"], ["car"], 1),
        (["--with-deleted", "--order", "name"], ["bear", "car", "duck"], None),
    ],
)
def test_prints_a_graph(holdfast: Holdfast, url: str, options: Sequence[str], names: list[str], count: int | None):
    readable = holdfast("query", "toy", "--fields", "id, name", *options, DATABASE_URL=url).stdout
    line = holdfast("query", "toy", "--fields", "id, name", *options, "--json", DATABASE_URL=url).stdout

    assert json.loads(line) == json.loads(readable)
    assert line.count("\n") == 1 < readable.count("\n")
    assert [row["name"] for row in json.loads(line)["data"]] == names
    assert json.loads(line)["count"] == count


def test_explains_a_graph(holdfast: Holdfast, url: str):
    told = holdfast("query", "toy", "--filters", '{"name": "bear"}', "--explain", DATABASE_URL=url).stdout

    for part in ("SELECT", "LIMIT 20", "{'param_1': 'bear'}", "Execution Time"):
        assert part in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["car"], "there is no entity 'car'; there are toy"),
        (["toy", "--fields", "size"], "toy has no field or relation 'size'"),
        (["toy", "--filters", "{name"], "--filters: JSON is malformed: object keys must be strings (byte 1)"),
        (["toy", "--order", "size"], "toy has no field or relation 'size'"),
    ],
)
def test_says_in_one_line_what_there_is_not(holdfast: Holdfast, url: str, arguments: Sequence[str], message: str):
    result = holdfast("query", *arguments, DATABASE_URL=url)

    assert result.stderr == f"holdfast: {message}\n"
    assert result.exit_code == 1
