"""Errors over HTTP."""

from typing import Any

import httpx
import pytest
from msgspec import json
from structlog.testing import capture_logs

from api.app import create_app
from api.problem import answer
from core.app import Application
from core.config import Config
from core.testing import application_on
from modules.booking import BookingService, SlotUnavailable, booking

from .conftest import AWAY, Shop, client_of

JSON = {"Content-Type": "application/json"}


async def ask(application: Application, path: str) -> httpx.Response:
    async with client_of(application) as client:
        return await client.get(path)


async def test_is_a_problem_document(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nowhere")
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() == {"type", "title", "status", "detail", "code", "request_id"}
    assert (problem["status"], problem["code"], problem["title"]) == (404, "not_found", "Not found")
    assert problem["type"] == "urn:holdfast:problem:not_found"


async def test_names_the_allowed_methods(client: httpx.AsyncClient) -> None:
    answer = await client.put("/store/bookings")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"x" * 65_537, JSON, 413, "body_too_large"),
        (b"{}", {}, 415, "unsupported_media_type"),
        (b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
        (b"a=1", JSON, 400, "invalid_request"),
        (b"", {}, 400, "invalid_request"),
        (b'{"service_id": "a", "start_at": "2030-01-01T10:00Z", "price_amount": 0}', JSON, 400, "unknown_field"),
        (b'{"service_id": "a", "start_at": "2030-01-01T10:00Z", "notes": "\\u0000"}', JSON, 422, "invalid_data"),
    ],
)
async def test_refuses_a_body_at_the_door(
    client: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await client.post("/store/bookings", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_refuses_a_body_that_hides_its_length(client: httpx.AsyncClient) -> None:
    async def chunks():
        for _ in range(70):
            yield b"x" * 1024

    answer = await client.post("/store/bookings", content=chunks(), headers=JSON)
    assert answer.status_code == 413


async def test_takes_any_json_media_type(client: httpx.AsyncClient, shop: Shop) -> None:
    headers = {"Content-Type": "Application/vnd.shop+JSON; charset=utf-8"}
    answer = await client.post(
        "/store/bookings", content=httpx.Request("POST", "http://x", json=shop.hold()).content, headers=headers
    )
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("query", "field"),
    [("x=1", "x"), ("fields=id&fields=name", "fields"), ("fields=id,secret", "fields")],
)
async def test_names_a_query_parameter_that_is_wrong(client: httpx.AsyncClient, query: str, field: str) -> None:
    answer = await client.get(f"/store/bookings/services?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.json()["errors"][0]["field"] == field


async def test_refuses_a_query_over_8_kb(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/store/bookings/services?fields={'x' * 8192}")
    assert (answer.status_code, answer.json()["detail"]) == (400, "the query string is longer than 8 kB")


async def test_says_busy_while_the_database_is_away() -> None:
    application = application_on(AWAY, modules=[booking])
    answer = await ask(application, "/store/bookings/services")
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert int(answer.headers["retry-after"]) > 0


async def test_hides_what_went_wrong_and_logs_it() -> None:
    class Broken(BookingService):
        def __init__(self, scope: object) -> None:
            raise RuntimeError("the secret is swordfish")

    application = application_on(AWAY, modules=[booking], config=Config())
    application.container.override(BookingService, Broken)
    with capture_logs() as lines:
        answer = await ask(application, "/store/bookings/staff?service_id=bksvc_1")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "swordfish" not in answer.text
    assert "swordfish" in str(next(line for line in lines if line["event"] == "request_failed")["exc_info"])


async def test_does_not_take_a_client_that_went_away_for_a_failure(application: Application) -> None:
    statuses: list[int] = []

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    app: Any = create_app(application)
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/store/bookings",
        "query_string": b"",
        "headers": [],
    }
    with capture_logs() as lines:
        await app(scope, receive, send)
    assert statuses[0] == 400
    assert [line["event"] for line in lines] == ["request"]


def test_marks_a_remembered_error_as_replayed() -> None:
    error = SlotUnavailable("taken", alternatives=[], run_id="run_1")
    scope: Any = {"state": {"request_id": "req_1"}}
    assert "Idempotency-Replayed" not in answer(error, scope).headers
    error.replayed = True
    assert answer(error, scope).headers["Idempotency-Replayed"] == "true"


def test_shows_of_an_errors_data_what_clients_are_to_see() -> None:
    error = SlotUnavailable("taken", alternatives=[], run_id="run_1")
    scope: Any = {"state": {"request_id": "req_1"}}
    members = json.decode(answer(error, scope).content)
    assert members["alternatives"] == []
    assert "run_id" not in members
