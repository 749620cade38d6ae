"""What every request passes."""

import httpx
import pytest
from structlog.testing import capture_logs


@pytest.mark.parametrize("path", ["/health", "/nowhere", "/store/bookings/x"])
async def test_takes_over_a_sane_request_id(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"X-Request-ID": "order-7.a:b_c"})
    assert answer.headers["x-request-id"] == "order-7.a:b_c"
    assert answer.json().get("request_id", "order-7.a:b_c") == "order-7.a:b_c"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "<img>"])
async def test_makes_a_request_id_in_place_of_another(client: httpx.AsyncClient, sent: str) -> None:
    answer = await client.get("/nowhere", headers={"X-Request-ID": sent})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] != sent
    assert answer.headers["x-request-id"].startswith("req_")


async def test_answers_head_as_get_without_a_body(client: httpx.AsyncClient) -> None:
    get, head = await client.get("/health"), await client.head("/health")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


async def test_writes_one_line_a_request_without_ids_or_queries(client: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        await client.get("/store/bookings/book_1?secret=1", headers={"X-Manage-Token": "secret"})
    [line] = lines
    assert line["ms"] >= 0
    assert {name: line[name] for name in ("event", "method", "path", "status")} == {
        "event": "request",
        "method": "GET",
        "path": "/store/bookings/{booking_id}",
        "status": 404,
    }
    assert "secret" not in str(line)


async def test_keeps_answers_out_of_caches(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("method", "path"), [("PUT", "/health"), ("DELETE", "/store/bookings"), ("OPTIONS", "/ready")])
async def test_names_head_among_the_methods(client: httpx.AsyncClient, method: str, path: str) -> None:
    allowed = (await client.request(method, path)).headers["allow"].split(", ")
    assert {"GET", "HEAD"} <= set(allowed)
