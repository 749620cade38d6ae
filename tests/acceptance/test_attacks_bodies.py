"""Attacks on bodies: every route that takes one refuses what is not exactly what it wants, and writes nothing."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from msgspec import Struct, json

from .ledger import ledger
from .site import BOOKINGS, Site
from .slots import Document
from .test_attacks import problem

JSON = "application/json"
DEEP = 1000
NOT_JSON = [
    *("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml"),
    *("application/jsonp", "text/json", "application/octet-stream", "json", "application/msgpack", "*/*"),
]
INVALID = (400, "invalid_request")
TEXTS = {"hold": "notes", "confirm": "customer_name", "cancel": "reason", "reschedule": "staff_id"}
"""A field of each body that is free text, or nearly."""


class Target(Struct, frozen=True):
    """A route, and a body that it takes."""

    name: str
    site: Site
    path: str
    token: str
    body: Document

    async def post(self, content: bytes, content_type: str = JSON) -> httpx.Response:
        """Send a body."""
        headers = {"X-Manage-Token": self.token, "Content-Type": content_type}
        return await self.site.http.post(self.path, content=content, headers=headers)

    def encode(self, **changes: Any) -> bytes:
        """Return the body with some fields changed."""
        return json.encode(self.body | changes)

    def insert(self, member: bytes) -> bytes:
        """Return the body with bytes put in as its first member."""
        rest = self.encode()[1:]
        return b"{" + member + (b"" if rest == b"}" else b",") + rest


@pytest.fixture(scope="module", params=TEXTS)
async def route(site: Site, request: pytest.FixtureRequest) -> AsyncGenerator[Target]:
    """Each route in turn; after all attacks it takes the right body."""
    shop = await site.open_shop()
    ticket = await (shop.book if request.param == "reschedule" else shop.hold)(site.at(10))
    start_at = site.at(12).isoformat()
    bodies: dict[str, Document] = {
        "hold": {"service_id": shop.service.id, "start_at": start_at},
        "confirm": {"payment_mode": "pay_in_store"},
        "cancel": {},
        "reschedule": {"start_at": start_at},
    }
    path = BOOKINGS if request.param == "hold" else f"{ticket.path}/{request.param}"
    target = Target(request.param, site, path, ticket.token, bodies[request.param])
    yield target
    assert (await target.post(target.encode())).status_code == (201 if request.param == "hold" else 200)


@pytest.fixture
async def target(route: Target) -> AsyncGenerator[Target]:
    """A route on which the test writes nothing."""
    before = await ledger(route.site)
    yield route
    assert await ledger(route.site) == before


FORMS: dict[str, bytes] = {
    "null": b"null",
    "list": b"[]",
    "text": b'"{}"',
    "number": b"1",
    "true": b"true",
    "cut": b'{"notes": "',
    "two": b"{} {}",
    "form": b"service_id=1&start_at=2",
    "byte order mark": b"\xef\xbb\xbf{}",
    "not utf-8": b'{"notes": "\xff"}',
    "overlong utf-8": b'{"notes": "\xc0\xaf"}',
    "surrogate in utf-8": b'{"notes": "\xed\xa0\x80"}',
    "utf-16": '{"notes": "x"}'.encode("utf-16"),
    "nan": b'{"notes": NaN}',
    "infinity": b'{"notes": -Infinity}',
    "comment": b'{/**/"notes": "x"}',
    "trailing comma": b'{"notes": "x",}',
    "single quotes": b"{'notes': 'x'}",
    "raw control": b'{"notes": "\x01"}',
    "raw nul": b'{"notes": "\x00"}',
    "only nul": b"\x00",
    "blank": b"  ",
    "hex": b'{"notes": 0x10}',
    "long number": b'{"notes": ' + b"9" * 60_000 + b"}",
}


@pytest.mark.parametrize("form", FORMS)
async def test_what_is_not_a_json_object_is_refused(target: Target, form: str) -> None:
    assert problem(await target.post(FORMS[form])) == INVALID


async def test_an_empty_body_is_refused_where_a_field_is_needed(target: Target) -> None:
    if target.body:
        assert problem(await target.post(b"")) == INVALID
        assert problem(await target.post(b"{}")) == INVALID


@pytest.mark.parametrize("content_type", NOT_JSON)
async def test_another_content_type_is_refused(target: Target, content_type: str) -> None:
    assert problem(await target.post(target.encode() or b"{}", content_type)) == (415, "unsupported_media_type")


UNKNOWN = (400, "unknown_field")
NOT_ALLOWED = (422, "invalid_data")
TOO_LARGE = (413, "body_too_large")
MEMBERS: dict[str, tuple[bytes, tuple[int, str]]] = {
    "nul in a key": (rb'"a\u0000": 1', UNKNOWN),
    "unknown": (b'"admin": true', UNKNOWN),
    "proto": (b'"__proto__": {}', UNKNOWN),
    "empty key": (b'"": null', UNKNOWN),
    "lone surrogate in a key": (rb'"\udfff": 1', INVALID),
    "duplicate, escaped": (rb'"notes": "a", "n\u006ftes": "a"', INVALID),
    "duplicate, unknown": (b'"x": 1, "x": 1', INVALID),
    "deep lists": (b'"x":' + b"[" * DEEP + b"]" * DEEP, INVALID),
    "deep objects": (b'"x":' + b'{"x":' * DEEP + b"1" + b"}" * DEEP, INVALID),
    "33 deep": (b'"x":' + b"[" * 32 + b"]" * 32, INVALID),
    "7 thousand keys": (b",".join(b'"%x":0' % number for number in range(7000)), UNKNOWN),
    "10 thousand keys": (b",".join(b'"%x":0' % number for number in range(10_000)), TOO_LARGE),
    "10 thousand equal keys": (b",".join([b'"a":0'] * 10_000), INVALID),
    "a long key": (b'"%s": 1' % (b"x" * 60_000), UNKNOWN),
    "a long number": (b'"x": ' + b"9" * 4000, UNKNOWN),
}


@pytest.mark.parametrize("member", MEMBERS)
async def test_case_58_a_member_too_many_is_refused(target: Target, member: str) -> None:
    content, expected = MEMBERS[member]
    assert problem(await target.post(target.insert(content))) == expected


VALUES: dict[str, tuple[bytes, tuple[int, str]]] = {
    "nul": (rb'"a\u0000b"', NOT_ALLOWED),
    "lone surrogate": (rb'"\ud800"', INVALID),
    "surrogates turned": (rb'"\udc00\ud800"', INVALID),
    "1 MB": (b'"%s"' % (b"x" * 1_000_000), TOO_LARGE),
    "deep": (b"[" * DEEP + b"]" * DEEP, INVALID),
}


@pytest.mark.parametrize("value", VALUES)
async def test_case_58_an_odd_text_is_refused(target: Target, value: str) -> None:
    content, expected = VALUES[value]
    member = b'"%s": %s' % (TEXTS[target.name].encode(), content)
    assert problem(await target.post(target.insert(member))) == expected
    assert problem(await target.post(target.insert(member + b", " + member))) in (INVALID, TOO_LARGE)


async def test_case_58_a_text_is_not_longer_than_allowed(target: Target) -> None:
    answer = await target.post(target.encode(**{TEXTS[target.name]: "x" * 60_000}))
    assert problem(answer) == ((404, "not_found") if target.name == "reschedule" else NOT_ALLOWED)


async def test_case_58_spaces_count(target: Target) -> None:
    assert problem(await target.post(target.encode() + b" " * 1_000_000)) == TOO_LARGE


@pytest.mark.parametrize("value", [1, -1, 1.5, 10**30, 1e300, True, [], {}, ["x"], {"x": "x"}, None], ids=repr)
async def test_a_value_of_the_wrong_type_is_refused(target: Target, value: object) -> None:
    nullable = [] if value is None else [TEXTS[target.name]]
    for name in [*target.body, *nullable]:
        answer = await target.post(target.encode(**{name: value}))
        assert problem(answer) == INVALID
        assert answer.json()["errors"][0]["field"].startswith(name)


NOT_TIMES = [
    *("", "10:07", "tomorrow", "2030-01-01", "2030-01-01T10", "20300101T100000Z", "1893492000", "2030-W01-1"),
    *("2030-02-30T10:00:00Z", "2030-01-01T24:00:00Z", "2030-01-01T10:60:00Z", "2030-01-01T10:00:60Z"),
    *("0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "٢٠٣٠-01-01T10:00:00Z"),
    *("2030-01-01T10:00:00+25:00", "2030-01-01T10:00:00+1", " 2030-01-01T10:00:00Z", "2030-01-01T10:00:00Z\n"),
    *("2030-01-01T10:00:00[Europe/Vienna]", "2030-01-01T10:00:00.0000001Z", "9" * 5000),
]


@pytest.mark.parametrize("start_at", NOT_TIMES, ids=lambda text: text[:30])
async def test_what_is_no_time_is_refused(target: Target, start_at: str) -> None:
    if "start_at" in target.body:
        assert problem(await target.post(target.encode(start_at=start_at))) == INVALID
        assert problem(await target.post(target.encode(start_at=start_at, timezone="UTC"))) == INVALID


ZONES: list[tuple[object, tuple[int, str]]] = [
    (None, (400, "timezone_required")),
    *((zone, (422, "invalid_data")) for zone in ["", "Nowhere", "UTC+1", "../../etc/passwd", "/etc/localtime", "a\0b"]),
    *(
        (zone, (422, "invalid_data"))
        for zone in ["Europe", "Europe/Vienna/", "x" * 65, "Ä", "tzdata.zi", "posixrules", "localtime"]
    ),
    (1, INVALID),
]


@pytest.mark.parametrize(("zone", "expected"), ZONES, ids=lambda value: repr(value)[:30])
async def test_a_time_without_an_offset_needs_a_zone_that_exists(
    target: Target, zone: object, expected: tuple[int, str]
) -> None:
    if "start_at" in target.body:
        wall = target.body["start_at"].removesuffix("+00:00")
        assert problem(await target.post(target.encode(start_at=wall, timezone=zone))) == expected
        if zone is not None:
            assert problem(await target.post(target.encode(timezone=zone))) == expected


async def test_a_past_start_is_refused(target: Target) -> None:
    if "start_at" in target.body:
        past = target.site.at(12, ahead=-2).isoformat()
        assert problem(await target.post(target.encode(start_at=past))) == (422, "in_past")


CONTACTS = {
    "customer_email": ["", "x", "@", "a@", "@b", "a b@c", "a@b\r\nBcc: c@d", "a@b@c", "x" * 300 + "@y", "a@\x85"],
    "customer_phone": ["", "x", "1\n2", "1" * 41, "1\u2028"],
    "customer_name": ["", "x" * 201, "a\r\nb", "a\x7f", "a\x9f"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in CONTACTS.items() for value in values])
async def test_contact_that_would_break_a_mail_is_refused(target: Target, name: str, value: str) -> None:
    if target.name in ("hold", "confirm"):
        assert problem(await target.post(target.encode(**{name: value}))) == (422, "invalid_data")


@pytest.mark.parametrize("mode", ["", "cash", "PAY_IN_STORE", "pay_in_store ", "deposit\0"])
async def test_an_unknown_payment_mode_is_refused(target: Target, mode: str) -> None:
    if target.name == "confirm":
        assert (await target.post(target.encode(payment_mode=mode))).status_code in (400, 422)


@pytest.mark.parametrize("mode", ["deposit", "full"])
async def test_a_payment_mode_that_the_service_lacks_is_refused(target: Target, mode: str) -> None:
    if target.name == "confirm":
        answer = await target.post(target.encode(payment_mode=mode))
        assert problem(answer) == (422, "payment_mode_not_allowed")
