"""Bodies are read strictly."""

import time
import tracemalloc
from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct

from api import strict_json
from api.errors import InvalidRequest, UnknownField
from core.errors import HoldfastError, InvalidData


class Inner(Struct, forbid_unknown_fields=True):
    size: int


class Body(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=5)] = ""
    code: Annotated[str, Meta(pattern="^[a-z]*$")] | None = None
    inner: list[Inner] = []
    anything: Any = None


def refusal(body: bytes) -> HoldfastError:
    with pytest.raises(HoldfastError) as caught:
        strict_json.decode(body, Body)
    return caught.value


def field_of(error: HoldfastError) -> str:
    return error.data["errors"][0]["field"]


def test_reads_a_body_as_its_struct() -> None:
    assert strict_json.decode(b'{"name": "Jo", "inner": [{"size": 3}]}', Body) == Body(name="Jo", inner=[Inner(3)])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"name=Jo",
        b"[" * 60_000,
        b'{"anything": NaN}',
        b'{"anything": -Infinity}',
        b'{"anything": ' + b"9" * 60_000 + b"}",
        b'{"name": "\xff"}',
        b'\xef\xbb\xbf{"name": "Jo"}',
        '{"name": "Jo"}'.encode("utf-16"),
        b'{"name": "\\ud800"}',
        b'{"anything": {"\\udfff": 1}}',
        b'{"anything": ' + b"[" * 32 + b"]" * 32 + b"}",
        b"null",
        b"[]",
        b'{"name": 5}',
        b'{"inner": [{}]}',
    ],
)
def test_refuses_what_is_not_strict_json_of_the_type(body: bytes) -> None:
    assert type(refusal(body)) is InvalidRequest


def test_takes_31_levels_below_the_top() -> None:
    assert strict_json.decode(b'{"anything": ' + b"[" * 31 + b"]" * 31 + b"}", Body)


def test_names_a_key_that_stands_twice_however_deep() -> None:
    error = refusal(b'{"anything": {"a": {"b": 1, "b": 1}}}')
    assert (type(error), field_of(error)) == (InvalidRequest, "b")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"price": 1}', "price"),
        (b'{"inner": [{"size": 1, "price": 1}]}', "inner[0].price"),
        (b'{"na`me - at `$.x`": 1}', "na`me - at `$.x`"),
    ],
)
def test_names_an_unknown_field(body: bytes, field: str) -> None:
    error = refusal(body)
    assert (error.code, field_of(error).endswith(field.rpartition(".")[2])) == (UnknownField.code, True)


def test_names_the_place_of_a_wrong_type() -> None:
    assert field_of(refusal(b'{"inner": [{"size": "3"}]}')) == "inner[0].size"


def test_names_a_missing_field() -> None:
    assert field_of(refusal(b'{"inner": [{}]}')) == "inner[0].size"


def test_cuts_a_long_name_in_the_answer() -> None:
    assert len(field_of(refusal(b'{"' + b"x" * 60_000 + b'": 1}'))) < 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"name": "Johnny"}', "name"),
        (b'{"code": "A"}', "code"),
        (b'{"name": "\\u0000"}', "name"),
        (b'{"anything": {"a": ["\\u0000"]}}', "anything.a[0]"),
        (b'{"anything": {"\\u0000": 1}}', "anything"),
    ],
)
def test_calls_a_readable_value_that_is_not_allowed_invalid_data(body: bytes, field: str) -> None:
    error = refusal(body)
    assert (type(error), field_of(error)) == (InvalidData, field)


@pytest.mark.parametrize("closing", [b'{"%s": {%s}}', b'{"%s": [%s]}'])
def test_a_long_name_above_many_values_is_not_repeated_for_each(closing: bytes) -> None:
    values = [b'"%x": 0' % number if closing.endswith(b"}}") else b"[]" for number in range(3000)]
    body = closing % (b"x" * 30_000, b", ".join(values))
    tracemalloc.start()
    try:
        refusal(body)
        assert tracemalloc.get_traced_memory()[1] < 20 * len(body)
    finally:
        tracemalloc.stop()


def test_finds_a_key_that_stands_twice_among_thousands_at_once() -> None:
    names = [b'"%x": 0' % number for number in range(6500)]
    began = time.process_time()
    assert field_of(refusal(b"{" + b", ".join([*names, names[-1]]) + b"}")) == "1963"
    assert time.process_time() - began < 0.1
