"""Schemathesis, with every check, holds the API to what its own OpenAPI document says."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import httpx
import pytest
import schemathesis
from hypothesis import strategies as st
from msgspec import Struct
from schemathesis.engine import events, from_schema

from core.testing import ServerProcess

from .conftest import Shop

EXAMPLES = 50
SCENARIOS = 8
"""Each is of several requests."""
READABLE_BUT_NOT_ALLOWED = "422"
"""No schema can say of a start that it is past or off the grid, or of a key that it was used with another body."""
ALL_CHECKS = {
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "negative_data_rejection", "positive_data_acceptance", "missing_required_header"),
    *("unsupported_method", "allow_header_conformance", "use_after_free", "ensure_resource_availability"),
    *("ignored_auth", "object_level_authorization"),
}
FOR_CUSTOMERS = "GET /store/bookings"
"""Answers 401 as long as there are no customers."""
Strategy = st.SearchStrategy[Any]


class Findings(Struct, kw_only=True):
    """What a run found."""

    operations: set[str]
    failures: list[str] = []
    checks: set[str] = set()
    statuses: Counter[tuple[str, int]] = Counter()


class Food(Struct, frozen=True):
    """What is fed in: existing bookings by operation, their tokens, and starts."""

    shop: Shop
    bookings: dict[str, list[str]]
    tokens: dict[str, str]


def prepare(shop: Shop, http: httpx.Client) -> Food:
    """Hold, for each operation that wants a booking, some that no other operation is fed with."""
    bookings: dict[str, list[str]] = {}
    tokens: dict[str, str] = {}
    for first, name in enumerate(["getBooking", "confirmBooking", "cancelBooking", "rescheduleBooking"]):
        for hour in range(3 * first, 3 * first + 3):
            made = http.post("/store/bookings", json=shop.hold(hour, customer_email="guest@example.com")).json()
            tokens[made["booking"]["id"]] = made["manage_token"]
            bookings.setdefault(name, []).append(made["booking"]["id"])
    for id in bookings["rescheduleBooking"]:
        headers = {"X-Manage-Token": tokens[id]}
        http.post(f"/store/bookings/{id}/confirm", json={"payment_mode": "pay_in_store"}, headers=headers)
    return Food(shop, bookings, tokens)


def feed(schema: Any, food: Food) -> None:
    """Let half of what is generated name things that exist."""
    fed = {
        "holdSlot": {"service_id": st.just(food.shop.haircut.id), "start_at": st.integers(24, 99).map(food.shop.start)},
        "rescheduleBooking": {"start_at": st.integers(24, 99).map(food.shop.start)},
        "listSlots": {"service_id": st.just(food.shop.haircut.id)},
        "listStaff": {"service_id": st.just(food.shop.haircut.id)},
        **{name: {"booking_id": st.sampled_from(ids)} for name, ids in food.bookings.items()},
    }

    def before_generate(names: set[str]) -> Callable[[Any, Strategy], Strategy]:
        def mix(context: Any, strategy: Strategy) -> Strategy:
            wanted = fed.get(context.operation.definition.raw.get("operationId"), {})
            known = {name: value for name, value in wanted.items() if name in names}
            return strategy | st.builds(_merge, strategy, st.fixed_dictionaries(known)) if known else strategy

        return mix

    schema.hooks.hook("before_generate_path_parameters")(before_generate({"booking_id"}))
    schema.hooks.hook("before_generate_query")(before_generate({"service_id"}))
    schema.hooks.hook("before_generate_body")(before_generate({"service_id", "start_at"}))
    schema.auth(cache_by_key=booking_of)(credential(food.tokens))


def booking_of(case: Any, _context: object = None) -> str:
    """Return the booking that a request names in its path."""
    return str(case.path_parameters.get("booking_id", ""))


def _merge(generated: Any, known: dict[str, Any]) -> Any:
    return {**cast("dict[str, Any]", generated), **known} if isinstance(generated, dict) else generated


def credential(tokens: dict[str, str]) -> type[Any]:
    """Return what sends each booking's own token."""

    class ManageToken:
        def get(self, case: Any, _: object) -> str | None:
            id = booking_of(case)
            return tokens.get(id, "of another booking") if id else None

        def set(self, case: Any, token: str, _: object) -> None:
            case.headers["X-Manage-Token"] = token

    return ManageToken


def run(base_url: str, shop: Shop) -> Findings:
    """Run all phases and all checks."""
    with httpx.Client(base_url=base_url, timeout=30) as http:
        food = prepare(shop, http)
    schema: Any = schemathesis.openapi.from_url(f"{base_url}/schema/openapi.json")
    schema.config.seed = 1
    schema.config.generation.max_examples = EXAMPLES
    schema.config.phases.stateful.generation.max_examples = SCENARIOS
    schema.config.checks.positive_data_acceptance.expected_statuses.append(READABLE_BUT_NOT_ALLOWED)
    feed(schema, food)
    results: Any = schema.get_all_operations()
    findings = Findings(operations={result.ok().label for result in results})
    for event in from_schema(schema).execute():
        match event:
            case events.ScenarioFinished():
                note(findings, event.recorder)
            case events.NonFatalError() | events.FatalError():
                findings.failures.append(repr(event))
            case _:
                pass
    return findings


def note(findings: Findings, recorder: Any) -> None:
    """Take over what one scenario did."""
    for id, interaction in recorder.interactions.items():
        operation = recorder.cases[id].value.operation.label
        findings.statuses[operation, interaction.response.status_code if interaction.response else 0] += 1
    for checks in recorder.checks.values():
        findings.checks |= {check.name for check in checks}
        failed = [check.failure_info for check in checks if check.failure_info is not None]
        findings.failures += [f"{found.failure}\n{found.code_sample}" for found in failed]


async def test_the_api_is_what_its_openapi_document_says(
    database_url: str, shop: Shop, pytestconfig: pytest.Config
) -> None:
    with ServerProcess(database_url, folder=pytestconfig.rootpath) as server:
        findings = await asyncio.to_thread(run, server.base_url, shop)
        assert '"status":500' not in server.log
    assert findings.failures == []
    assert findings.checks == ALL_CHECKS
    assert {operation for operation, status in findings.statuses if status < 300} == findings.operations - {
        FOR_CUSTOMERS
    }
