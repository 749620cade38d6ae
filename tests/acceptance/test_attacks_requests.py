"""Attacks on everything but bodies: paths, queries, headers, methods, framing. Nothing of it ends in 500 or a row."""

import asyncio
from collections.abc import AsyncGenerator
from urllib.parse import quote

import pytest

from .ledger import ledger
from .site import BOOKINGS, Shop, Site
from .test_attacks import problem
from .wire import Reply, request, send

TARGET = BOOKINGS.encode()
GETS = ["/health", "/ready", "/schema", "/schema/openapi.json", f"{BOOKINGS}/services", f"{BOOKINGS}/staff"]
JSON = b"Content-Type: application/json"
INVALID = (400, "invalid_request")
NOT_FOUND = (404, "not_found")
NOT_ALLOWED = (422, "invalid_data")


@pytest.fixture(scope="module")
async def shop(site: Site) -> Shop:
    return await site.open_shop()


@pytest.fixture(autouse=True)
async def nothing_written(site: Site, shop: Shop) -> AsyncGenerator[None]:
    before = await ledger(site)
    yield
    assert await ledger(site) == before


async def wire(site: Site, *parts: bytes) -> Reply:
    return await send(str(site.http.base_url), *parts)


QUERIES: list[tuple[str, tuple[int, str]]] = [
    ("date=", INVALID),
    ("date=tomorrow", INVALID),
    ("date=2030-13-01", INVALID),
    ("date=2030-1-1", INVALID),
    ("date=20300101", INVALID),
    ("date=1893456000", INVALID),
    ("date=0000-01-01", INVALID),
    ("date=2030-01-01T00:00:00Z", INVALID),
    ("date=2030-01-01%00", INVALID),
    ("date=2030-01-01&date=2030-01-01", INVALID),
    ("days=", INVALID),
    ("days=1.5", INVALID),
    ("days=NaN", INVALID),
    ("days=many", INVALID),
    ("days=1_0", INVALID),
    ("days=%2B7", INVALID),
    ("days=+7", INVALID),
    ("days=7%20", INVALID),
    ("days=%D9%A7", INVALID),
    ("days=0x7", INVALID),
    ("days=true", INVALID),
    ("days=7&days=7", INVALID),
    ("days[]=7", INVALID),
    ("days=0", (422, "range_too_large")),
    ("days=-7", (422, "range_too_large")),
    ("days=" + "9" * 20, (422, "range_too_large")),
    ("days=" + "9" * 4000, (422, "range_too_large")),
    ("days=" + "9" * 5000, INVALID),
    ("timezone=", NOT_ALLOWED),
    ("timezone=Nowhere", NOT_ALLOWED),
    ("timezone=..%2F..%2Fetc%2Fpasswd", NOT_ALLOWED),
    ("timezone=UTC%00", NOT_ALLOWED),
    ("timezone=%FF%FE", NOT_ALLOWED),
    ("timezone=" + "x" * 5000, NOT_ALLOWED),
    ("service_id=", NOT_FOUND),
    ("service_id=%00", NOT_FOUND),
    ("service_id=%FF", NOT_FOUND),
    ("service_id=%ED%A0%80", NOT_FOUND),
    ("service_id=%F0%9F%92%88", NOT_FOUND),
    ("service_id=" + "x" * 5000, NOT_FOUND),
    ("service_id='%3B DROP TABLE booking%3B--", NOT_FOUND),
    ("staff_id=", NOT_FOUND),
    ("staff_id=%00", NOT_FOUND),
    ("staff_id=%FF", NOT_FOUND),
    ("booking_id=", (401, "unauthorized")),
    ("booking_id=%00", (401, "unauthorized")),
    ("Days=7", INVALID),
    ("x=1", INVALID),
    ("%00=1", INVALID),
    ("%FF=1", INVALID),
    ("container=1", INVALID),
    ("request=1", INVALID),
    ("x" * 9000, INVALID),
    ("x=1&" * 2000, INVALID),
    ("&" * 3000, (200, "")),
    ("date=9999-12-31", (200, "")),
    ("date=0001-01-01", (200, "")),
    ("date=0001-01-01&timezone=Pacific/Kiritimati&days=42", (200, "")),
    ("date=9999-12-31&timezone=Pacific/Marquesas&days=42", (200, "")),
    ("date=1969-12-31&timezone=Africa/Monrovia", (200, "")),
]


@pytest.mark.parametrize(("query", "expected"), QUERIES, ids=lambda value: str(value)[:40])
async def test_availability_answers_odd_queries(site: Site, shop: Shop, query: str, expected: tuple[int, str]) -> None:
    names = {pair.partition("=")[0] for pair in query.split("&")}
    usual = {"service_id": shop.service.id, "date": site.day().isoformat()}
    whole = "&".join([query, *(f"{name}={value}" for name, value in usual.items() if name not in names)])
    answer = await site.http.get(f"{BOOKINGS}/availability?{whole}")
    if expected[0] == 200:
        assert (answer.status_code, answer.json()) == (200, {"slots": []} if "date" in names else answer.json())
    else:
        assert problem(answer) == expected


@pytest.mark.parametrize("query", ["", "service_id=x", "date=2030-01-01"])
async def test_availability_needs_a_service_and_a_date(site: Site, query: str) -> None:
    assert problem(await site.http.get(f"{BOOKINGS}/availability?{query}")) == INVALID


FIELDS = ["", ",", "id,", "id,secret", "id,id,*", "%00", "%FF", "__class__", "staff.email", "id;name", "'", "x" * 5000]


@pytest.mark.parametrize("fields", FIELDS, ids=lambda text: text[:20])
@pytest.mark.parametrize("resource", ["services", "staff"])
async def test_fields_that_cannot_be_asked_for_are_refused(site: Site, resource: str, fields: str) -> None:
    assert problem(await site.http.get(f"{BOOKINGS}/{resource}?fields={fields}")) == INVALID


@pytest.mark.parametrize("path", ["/health", "/ready", f"{BOOKINGS}/services", f"{BOOKINGS}/staff"])
@pytest.mark.parametrize("query", ["x=1", "%00", "%FF=%FF", "x" * 9000, "=", "fields[]=id"], ids=lambda text: text[:20])
async def test_unknown_parameters_are_refused(site: Site, path: str, query: str) -> None:
    assert problem(await site.http.get(f"{path}?{query}")) == INVALID


PATHS = [
    *(
        b"/",
        b"//",
        b"/store",
        b"/store/",
        b"/nowhere",
        b"/%00",
        b"/%FF",
        b"/\xff",
        b"/%",
    ),
    *(b"/store/bookings/x/y", b"/store/bookings/x/confirm/y", b"/../etc/passwd", b"/%2e%2e/%2e%2e/etc/passwd"),
    *(b"/store/bookings/x/%00", b"/schema/x", b"/static/../../x", b"/" + b"x" * 20_000, b"/" + b"a/" * 5000),
    *(b"/store/bookings/services/x", "/é".encode(), b"/store/bookings/../bookings/services/none"),
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: repr(path)[:40])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_there_is_nothing_at_any_other_address(site: Site, path: bytes, method: str) -> None:
    reply = await wire(site, request(method, path, JSON, body=b"{}" if method == "POST" else b""))
    assert reply.status == 400 or reply.problem in (NOT_FOUND, (405, "method_not_allowed"))


@pytest.mark.parametrize("id", [b"%00", b"%FF", b"\xff", b"%ED%A0%80", b"%", b"%zz", b"x" * 60_000, b"a%0D%0Ab"])
async def test_an_id_that_cannot_be_is_unknown_however_it_is_spelt(site: Site, id: bytes) -> None:
    path = TARGET + b"/" + id
    reply = await wire(site, request("GET", path, b"X-Manage-Token: x"))
    assert reply.status in (0, 400) or reply.problem == NOT_FOUND, reply
    for action in b"confirm", b"cancel", b"reschedule":
        body = b'{"payment_mode": "pay_in_store"}' if action == b"confirm" else b"{}"
        body = b'{"start_at": "2030-01-01T10:00Z"}' if action == b"reschedule" else body
        reply = await wire(site, request("POST", path + b"/" + action, b"X-Manage-Token: x", JSON, body=body))
        assert reply.status in (0, 400, 404), reply


HEADERS = [
    *(
        b"X-Manage-Token: \xff\xfe",
        b"X-Manage-Token: " + b"x" * 30_000,
        b"Authorization: Bearer \xff",
        b"Cookie: \xff=",
    ),
    *(b"If-None-Match: \xff", b"If-None-Match: *", b'If-Match: "x"', b"If-Modified-Since: never", b"Range: bytes=9-1"),
    *(b"Accept: \xff", b"Accept: image/png", b"Accept: ;q=x", b"Accept-Encoding: \xff", b"X-Request-ID: \xff"),
    *(b"Content-Length: 0", b"Content-Type: \xff", b"Forwarded: for=\xff", b"X-Forwarded-For: \xff", b"Host: \xff"),
    *(b"Upgrade: websocket\r\nSec-WebSocket-Version: 13", b"Upgrade: h2c", b"Expect: nothing", b"X" * 30_000 + b": y"),
    *(b"Origin: null", b"Content-Encoding: gzip", b"X-HTTP-Method-Override: POST", b"Cookie: \x01"),
    b"\r\n".join(b"X-%d: y" % number for number in range(1000)),
]


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: repr(header)[:40])
@pytest.mark.parametrize("path", GETS)
async def test_odd_headers_do_not_matter_to_readers(site: Site, path: str, header: bytes) -> None:
    reply = await wire(site, request("GET", path.encode(), header))
    assert reply.status in (0, 200, 400, 401), reply  # 0: the server takes it for no HTTP at all


@pytest.mark.parametrize("header", [b"\xff" * 20, b"x" * 14 + b"\xff\xfe", b"\x01" * 20, b"=" * 300])
async def test_a_key_of_odd_characters_breaks_nothing(site: Site, shop: Shop, header: bytes) -> None:
    body = b'{"service_id": "unknown", "start_at": "2030-01-01T10:00Z"}'
    reply = await wire(site, request("POST", TARGET, JSON, b"Idempotency-Key: " + header, body=body))
    assert reply.status in (0, 400, 404, 422), reply


async def test_a_compressed_body_is_not_read(site: Site) -> None:
    reply = await wire(site, request("POST", TARGET, JSON, b"Content-Encoding: gzip", body=b"\x1f\x8b\x08\x00"))
    assert reply.problem == INVALID


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "OPTIONS"])
async def test_other_methods_are_refused_and_the_right_ones_named(site: Site, method: str) -> None:
    allowed = {"/health": {"GET", "HEAD"}, BOOKINGS: {"GET", "HEAD", "POST"}, f"{BOOKINGS}/x/cancel": {"POST"}}
    for path, methods in allowed.items():
        answer = await site.http.request(method, path)
        if method == "OPTIONS" and answer.status_code == 204:
            assert methods & set(answer.headers["allow"].split(", "))
        else:
            assert problem(answer) == (405, "method_not_allowed")
            assert set(answer.headers["allow"].split(", ")) - {"OPTIONS"} == methods


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


CHUNKED = request("POST", TARGET, JSON, b"Transfer-Encoding: chunked")
FRAMES: dict[str, list[bytes]] = {
    "1 MB in chunks": [CHUNKED, *([chunk(b" " * 16_384)] * 64), chunk(b""), b"\r\n"],
    "1 MB in one chunk": [CHUNKED, chunk(b" " * 1_000_000), chunk(b"")],
    "1 MB announced": [request("POST", TARGET, JSON, b"Content-Length: 1000000"), b" " * 70_000],
    "1 MB announced, unsent": [request("POST", TARGET, JSON, b"Content-Length: 1000000")],
    "1 MB of small chunks": [CHUNKED, chunk(b" ") * 100_000, chunk(b"")],
}


@pytest.mark.parametrize("frame", FRAMES)
async def test_a_body_that_is_too_large_is_refused_before_it_is_read(site: Site, frame: str) -> None:
    reply = await wire(site, *FRAMES[frame])
    assert reply.problem == (413, "body_too_large")


BROKEN: dict[str, bytes] = {
    "length and chunks": request("POST", TARGET, JSON, b"Content-Length: 2", b"Transfer-Encoding: chunked") + b"{}",
    "two lengths": request("POST", TARGET, JSON, b"Content-Length: 2", b"Content-Length: 3") + b"{}",
    "negative length": request("POST", TARGET, JSON, b"Content-Length: -1") + b"{}",
    "no number": request("POST", TARGET, JSON, b"Content-Length: two") + b"{}",
    "huge length": request("POST", TARGET, JSON, b"Content-Length: " + b"9" * 30) + b"{}",
    "bad chunk": CHUNKED + b"zz\r\n{}\r\n",
    "space in a header's name": request("GET", TARGET, b"X y: z"),
    "nul in a header": request("GET", TARGET, b"X: a\x00b"),
    "a version to come": b"GET /health HTTP/3.0\r\n\r\n",
    "no method": b"/health HTTP/1.1\r\n\r\n",
    "nonsense": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "nul in the target": request("GET", b"/health\x00"),
    "empty target": request("GET", b""),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_broken_http_is_refused(site: Site, broken: str) -> None:
    reply = await wire(site, BROKEN[broken])
    assert reply.status in (0, 400, 404, 413), reply
    assert (await site.http.get("/health")).status_code == 200


async def test_a_body_that_never_comes_holds_up_nobody(site: Site) -> None:
    address = site.http.base_url
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(request("POST", TARGET, JSON, b"Content-Length: 100") + b"{")
    await writer.drain()
    assert (await site.http.get(f"{BOOKINGS}/services")).status_code == 200
    writer.write_eof()
    assert not (await reader.read()).startswith(b"HTTP/1.1 5")
    writer.close()


async def test_an_answer_never_repeats_what_was_sent_as_markup(site: Site) -> None:
    sent = "<img src=x onerror=alert(1)>"
    for path in (
        f"/{quote(sent)}",
        f"{BOOKINGS}/services?fields={quote(sent)}",
        f"{BOOKINGS}/availability?date={quote(sent)}",
    ):
        answer = await site.http.get(path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-content-type-options"] == "nosniff"
