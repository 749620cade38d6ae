"""The OpenAPI document and its page."""

import re
from typing import Any

import httpx
import pytest

from api.app import create_app
from core.testing import application_on
from modules.booking import booking

from .conftest import AWAY

STORE = {
    ("get", "/store/bookings/services"),
    ("get", "/store/bookings/staff"),
    ("get", "/store/bookings/availability"),
    ("get", "/store/bookings"),
    ("post", "/store/bookings"),
    ("get", "/store/bookings/{booking_id}"),
    ("post", "/store/bookings/{booking_id}/confirm"),
    ("post", "/store/bookings/{booking_id}/cancel"),
    ("post", "/store/bookings/{booking_id}/reschedule"),
}
KEYED = {(verb, path) for verb, path in STORE if verb == "post"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    application = application_on(AWAY, modules=[booking])
    return create_app(application).openapi_schema.to_schema()


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(verb, path): operation for path, item in document["paths"].items() for verb, operation in item.items()}


Operations = dict[tuple[str, str], dict[str, Any]]


def test_describes_every_route(operations: Operations) -> None:
    assert operations.keys() == STORE | {("get", "/health"), ("get", "/ready")}
    assert all(operation["summary"] and operation["description"] for operation in operations.values())


def test_describes_every_error_as_a_problem_document(operations: Operations) -> None:
    for operation in operations.values():
        for status, response in operation["responses"].items():
            wanted = "application/json" if status < "300" else "application/problem+json"
            assert list(response["content"]) == [wanted]


def test_describes_codes(operations: Operations) -> None:
    responses = operations["post", "/store/bookings"]["responses"]
    assert "`slot_unavailable`" in responses["409"]["description"]
    assert {"`off_grid`", "`in_past`", "`idempotency_mismatch`"} <= set(
        re.findall(r"`\w+`", responses["422"]["description"])
    )


def test_describes_idempotency_keys(operations: Operations) -> None:
    keyed = {
        at
        for at, operation in operations.items()
        if any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", []))
    }
    assert keyed == KEYED
    assert all("Idempotency-Replayed" in operations[at]["responses"][ok]["headers"] for at, ok in _ok(operations))


def test_says_what_a_key_remembers(operations: Operations) -> None:
    for at in KEYED:
        [key] = [one for one in operations[at]["parameters"] if one["name"] == "Idempotency-Key"]
        assert "at least 24 hours" in key["description"]
        assert "409, 429 and 5xx among them, are computed anew" in key["description"]


def test_says_which_alternatives_there_are(document: dict[str, Any]) -> None:
    assert "14 days from the start that was asked for" in document["info"]["description"].replace("\n", " ")


def test_describes_that_the_database_may_be_busy_wherever_it_is_asked(operations: Operations) -> None:
    unasked = {("get", "/health"), ("get", "/store/bookings")}
    busy = {at for at, operation in operations.items() if "`busy`" in str(operation["responses"].get("503"))}
    assert busy == operations.keys() - unasked


def _ok(operations: Operations) -> list[tuple[tuple[str, str], str]]:
    return [(at, "201" if "201" in operations[at]["responses"] else "200") for at in KEYED]


def test_describes_credentials(operations: Operations) -> None:
    assert operations["post", "/store/bookings/{booking_id}/confirm"]["security"] == [
        {"manageToken": []},
        {"bearer": []},
    ]
    assert {} in operations["post", "/store/bookings"]["security"]
    assert "security" not in operations["get", "/store/bookings/services"]


def test_says_that_bodies_take_no_other_fields(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    bodies = [schema for name, schema in schemas.items() if name.endswith("Body")]
    assert len(bodies) == 4
    assert all(body["additionalProperties"] is False for body in bodies)


def test_lets_the_body_of_a_cancellation_be_left_out(operations: Operations) -> None:
    assert operations["post", "/store/bookings/{booking_id}/cancel"]["requestBody"]["required"] is False
    assert operations["post", "/store/bookings"]["requestBody"]["required"] is True


async def test_page_shows_every_route_and_asks_no_other_host(client: httpx.AsyncClient) -> None:
    answer = await client.get("/schema")
    assert answer.headers["content-type"].startswith("text/html")
    for verb, path in STORE:
        assert f"{verb.upper()}</span> <code>{path}</code>" in answer.text
    assert not re.search(r"https?:|//|<script|@import|url\(", answer.text.replace("</", "<"))


async def test_is_there_as_yaml(client: httpx.AsyncClient) -> None:
    assert "openapi: 3" in (await client.get("/schema/openapi.yaml")).text
